/** The way to the server: looked for again and again while it is lost. */
import { watch } from 'vue'

import { isAway, request } from './api/client'

const LOOK_AGAIN = 3000 // ms

let timer: ReturnType<typeof setInterval> | undefined

/** Ask whether the server answers; {@link isAway} tells it. */
export function lookAgain(): void {
  request('system').catch(() => undefined) // any answer is one, a refusal too
}

watch(isAway, (away) => {
  clearInterval(timer)
  if (away) timer = setInterval(lookAgain, LOOK_AGAIN)
})

/** Call back whenever the server answers again. */
export function onReturn(callback: () => void): void {
  watch(isAway, (away) => {
    if (!away) callback()
  })
}
