/** All that the viewer does: by keys, and by buttons where a command has one. */
import type { Pane } from './pane'
import { TOOLS, type ToolName } from './tools'

/** The viewer, as far as commands change it. */
export interface Viewer {
  pane: () => Pane | undefined
  choose: (tool: ToolName) => void
  compare: () => void
  planes: () => void
  texts: () => void
  other: () => void
  help: () => void
}

export interface Command {
  /** Under `viewer.key` in the texts. */
  name: string
  keys: string[]
  does: (viewer: Viewer) => void
}

const STEP = 10 // pixels

function onPane(name: string, key: string, does: (pane: Pane) => void): Command {
  return {
    name,
    keys: [key],
    does: (viewer) => {
      const pane = viewer.pane()
      if (pane) does(pane)
    },
  }
}

/** What moves through the pictures. */
export const MOVES: readonly Command[] = [
  onPane('next', 'ArrowDown', (pane) => pane.scroll(1)),
  onPane('previous', 'ArrowUp', (pane) => pane.scroll(-1)),
  onPane('forward', 'PageDown', (pane) => pane.scroll(10)),
  onPane('back', 'PageUp', (pane) => pane.scroll(-10)),
  onPane('first', 'Home', (pane) => pane.show(0)),
  onPane('last', 'End', (pane) => pane.last()),
]

/** What changes how a picture is seen; each is a button, too. */
export const LOOKS: readonly Command[] = [
  onPane('invert', 'i', (pane) => pane.invert()),
  onPane('rotate', 'r', (pane) => pane.rotate()),
  onPane('flip', 'f', (pane) => pane.flip()),
  onPane('play', ' ', (pane) => pane.play()),
  onPane('reset', '0', (pane) => pane.reset()),
]

const CHOICES: readonly Command[] = Object.entries(TOOLS).map(([name, key]) => ({
  name,
  keys: [key],
  does: (viewer) => viewer.choose(name as ToolName),
}))

const NUDGES: readonly [string, number, number][] = [
  ['ArrowLeft', -STEP, 0],
  ['ArrowRight', STEP, 0],
  ['ArrowUp', 0, -STEP],
  ['ArrowDown', 0, STEP],
]

/** What a mouse does. */
const POINTS: readonly Command[] = [
  {
    name: 'nudge',
    keys: NUDGES.map(([key]) => `Shift+${key}`),
    does: () => undefined, // by the key: see `commandOf`
  },
  onPane('press', 'Enter', (pane) => pane.press()),
  onPane('erase', 'Delete', (pane) => pane.erase()),
]

export const PLACES: readonly Command[] = [
  { name: 'compare', keys: ['c'], does: (viewer) => viewer.compare() },
  { name: 'planes', keys: ['m'], does: (viewer) => viewer.planes() },
  { name: 'texts', keys: ['t'], does: (viewer) => viewer.texts() },
]

const REST: readonly Command[] = [
  { name: 'other', keys: ['n'], does: (viewer) => viewer.other() },
  { name: 'help', keys: ['?'], does: (viewer) => viewer.help() },
]

export const COMMANDS: readonly Command[] = [...MOVES, ...CHOICES, ...LOOKS, ...POINTS, ...PLACES, ...REST]

/** What a key does; nothing where it has no meaning. */
export function commandOf(key: string, isShifted: boolean): Command['does'] | undefined {
  if (isShifted) {
    const nudge = NUDGES.find(([name]) => name === key)
    if (nudge) return (viewer) => viewer.pane()?.nudge(nudge[1], nudge[2])
  }
  return COMMANDS.find((command) => command.keys.includes(key))?.does
}
