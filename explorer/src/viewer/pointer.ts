/** A pointer that keys move: what a mouse can do in a picture, they can. */
import { ref, type Ref } from 'vue'

export interface Point {
  x: number
  y: number
}

export interface KeyboardPointer {
  /** Where it is in the element; null until it is used. */
  at: Ref<Point | null>
  isDown: Ref<boolean>
  move: (x: number, y: number) => void
  /** Press the button, or let it go. */
  press: () => void
  /** Press, move and let go at once, in the middle of the element. */
  drag: (x: number, y: number) => void
  leave: () => void
}

export function keyboardPointer(element: () => HTMLElement | null): KeyboardPointer {
  const at = ref<Point | null>(null)
  const isDown = ref(false)

  function tell(type: 'mousedown' | 'mousemove' | 'mouseup', { x, y }: Point): void {
    const target = element()
    if (!target) return
    const { left, top } = target.getBoundingClientRect()
    const buttons = type === 'mouseup' ? 0 : 1
    const where = { clientX: left + x, clientY: top + y, button: 0, buttons, bubbles: true, view: window }
    target.dispatchEvent(new MouseEvent(type, where))
  }

  function middle(): Point {
    return { x: (element()?.clientWidth ?? 0) / 2, y: (element()?.clientHeight ?? 0) / 2 }
  }

  return {
    at,
    isDown,
    move(x, y) {
      const from = at.value ?? middle()
      const within = (value: number, most: number) => Math.min(Math.max(value, 0), most - 1)
      at.value = {
        x: within(from.x + x, element()?.clientWidth ?? 1),
        y: within(from.y + y, element()?.clientHeight ?? 1),
      }
      tell('mousemove', at.value)
    },
    press() {
      at.value ??= middle()
      tell(isDown.value ? 'mouseup' : 'mousedown', at.value)
      isDown.value = !isDown.value
    },
    drag(x, y) {
      const from = middle()
      tell('mousedown', from)
      tell('mousemove', { x: from.x + x, y: from.y + y })
      tell('mouseup', { x: from.x + x, y: from.y + y })
    },
    leave() {
      if (isDown.value && at.value) tell('mouseup', at.value)
      isDown.value = false
      at.value = null
    },
  }
}
