/** What can be done with a pane, whatever it shows. */
import type { Window } from './presets'

export interface Pane {
  /** Show the picture that is so many further, or before where negative. */
  scroll: (by: number) => void
  /** Show a picture, counted from 0. */
  show: (at: number) => void
  last: () => void
  /** Start or end the cine. */
  play: () => void
  reset: () => void
  invert: () => void
  rotate: () => void
  flip: () => void
  preset: (window: Window) => void
  /** Do with the chosen tool what a mouse does that is moved so many pixels. */
  nudge: (x: number, y: number) => void
  /** Press the mouse button at the pointer of the keyboard, or let it go. */
  press: () => void
  /** Remove the measurement that was made last. */
  erase: () => void
}
