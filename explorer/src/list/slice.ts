/**
 * Which rows of a list are in view, where all have one height and there may be millions of them.
 *
 * Browsers draw nothing below 17 to 33 million pixels. A list that is taller than {@link TALLEST} is scrolled by a
 * bar of that height, each pixel of which stands for more than one pixel of rows.
 */

export const TALLEST = 12_000_000 // pixels

export interface Shape {
  count: number // rows
  rowHeight: number // pixels
  view: number // pixels, of the rows that are seen at once
}

export interface Slice {
  first: number // the first row to draw
  end: number // the row after the last one
  top: number // pixels from the start of the body to the first row
}

/** The height of the body in which the rows lie. */
export function bodyHeight({ count, rowHeight }: Shape): number {
  return Math.min(count * rowHeight, TALLEST)
}

/** How many pixels of rows a pixel of the scroll bar stands for. */
function scale(shape: Shape): number {
  const range = bodyHeight(shape) - shape.view
  return range > 0 ? (shape.count * shape.rowHeight - shape.view) / range : 1
}

/** Rows that are drawn above and below those in view. */
export interface Spare {
  above: number
  below: number
}

const LEAST_SPARE = 20 // rows
const MOST_SPARE = 100

/** Rows for the frame that the browser paints before it tells how far it has scrolled: as far as in the last one. */
export function spareFor(shape: Shape, moved: number): Spare {
  const ahead = Math.min(MOST_SPARE, LEAST_SPARE + Math.ceil((Math.abs(moved) * scale(shape)) / shape.rowHeight))
  return { above: moved < 0 ? ahead : LEAST_SPARE, below: moved > 0 ? ahead : LEAST_SPARE }
}

/** What is drawn after scrolling by so many pixels. */
export function slice(shape: Shape, scrolled: number, spare: Spare): Slice {
  const { count, rowHeight, view } = shape
  const seen = scrolled * scale(shape) // pixels of rows above the view
  const first = Math.min(Math.max(0, Math.floor(seen / rowHeight) - spare.above), count)
  const end = Math.min(count, Math.ceil((seen + view) / rowHeight) + spare.below)
  return { first, end, top: scrolled + first * rowHeight - seen }
}

/** How far to scroll so that a row is in view: not at all where it is. */
export function scrolledTo(shape: Shape, scrolled: number, index: number): number {
  const { rowHeight, view } = shape
  const by = scale(shape)
  const start = index * rowHeight
  if (start < scrolled * by) return start / by
  const below = start + rowHeight - view
  return below > scrolled * by ? Math.ceil(below / by) : scrolled
}
