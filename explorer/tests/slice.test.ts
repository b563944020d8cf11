import { describe, expect, it } from 'vitest'

import { TALLEST, bodyHeight, scrolledTo, slice, spareFor, type Shape } from '@/list/slice'

const NONE = { above: 0, below: 0 }
const FEW = { above: 5, below: 5 }
const small: Shape = { count: 100, rowHeight: 36, view: 360 }
const million: Shape = { count: 1_000_000, rowHeight: 36, view: 720 }

/** The rows in view, by their places: each starts where the one before ends. */
function seen(shape: Shape, scrolled: number): number[] {
  const drawn = slice(shape, scrolled, NONE)
  const rows: number[] = []
  for (let row = drawn.first; row < drawn.end; row += 1) {
    const start = drawn.top + (row - drawn.first) * shape.rowHeight - scrolled
    if (start > -1 && start + shape.rowHeight < shape.view + 1) rows.push(row)
  }
  return rows
}

describe('rows of a long list', () => {
  it('draws those in view and some beside them', () => {
    expect(slice(small, 0, FEW)).toEqual({ first: 0, end: 15, top: 0 })
    expect(slice(small, 720, FEW)).toEqual({ first: 15, end: 35, top: 540 })
    expect(slice(small, 3240, FEW)).toEqual({ first: 85, end: 100, top: 3060 })
  })

  it('draws nothing of an empty list, and all of one that fits', () => {
    expect(slice({ ...small, count: 0 }, 0, FEW)).toEqual({ first: 0, end: 0, top: 0 })
    expect(slice({ ...small, count: 3 }, 0, FEW)).toEqual({ first: 0, end: 3, top: 0 })
  })

  it('survives a list that has become shorter than what was scrolled', () => {
    const drawn = slice({ ...small, count: 2 }, 3000, FEW)
    expect(drawn.first).toBeLessThanOrEqual(drawn.end)
  })

  it('reaches the last of a million, and fills the view everywhere', () => {
    expect(bodyHeight(million)).toBe(TALLEST)
    const range = TALLEST - million.view
    expect(slice(million, range, FEW).end).toBe(1_000_000)
    for (const part of [0, 0.1, 0.123456, 0.5, 0.9999, 1]) {
      const scrolled = Math.round(range * part)
      const drawn = slice(million, scrolled, NONE)
      expect(drawn.top).toBeLessThanOrEqual(scrolled + 0.01)
      expect(drawn.top + (drawn.end - drawn.first) * 36).toBeGreaterThanOrEqual(scrolled + 720 - 0.01)
    }
  })

  it('draws more where it is going, and not more than a screen or two', () => {
    expect(spareFor(small, 0)).toEqual({ above: 20, below: 20 })
    expect(spareFor(small, 360)).toEqual({ above: 20, below: 30 })
    expect(spareFor(small, -360)).toEqual({ above: 30, below: 20 })
    expect(spareFor(small, 1e7)).toEqual({ above: 20, below: 100 })
  })

  it.each([small, million])('brings any row into view, and moves no more than it must', (shape) => {
    let scrolled = 0
    for (const row of [0, 5, 9, 10, 50, 49, shape.count - 1, shape.count - 10, 12, 0]) {
      const before = seen(shape, scrolled)
      const after = scrolledTo(shape, scrolled, row)
      if (before.includes(row)) expect(Math.abs(after - scrolled)).toBeLessThan(1)
      scrolled = Math.round(after)
      expect(slice(shape, scrolled, NONE).first).toBeLessThanOrEqual(row)
      expect(slice(shape, scrolled, NONE).end).toBeGreaterThan(row)
    }
  })
})
