/** Data sets as Cornerstone's loader of files keeps them: by keywords, with a list where there may be several values. */

function first(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/**
 * All values of an attribute, in the notation of a file; empty where there are none.
 *
 * @param path keywords; what is after a sequence is in its first item
 */
export function naturalText(data: unknown, path: readonly string[]): string {
  const value = path.reduce<unknown>((inside, keyword) => (isGroup(first(inside)) ? (first(inside) as Record<string, unknown>)[keyword] : undefined), data)
  return (Array.isArray(value) ? value : [value]).map((one) => (one === undefined || one === null || isGroup(one) ? '' : String(one))).join('\\')
}
