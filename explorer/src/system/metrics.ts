/** The text format of Prometheus, as `/tools/metrics-prometheus` writes it: `name value timestamp`. */

export function parseMetrics(text: string): Map<string, number> {
  const metrics = new Map<string, number>()
  for (const line of text.split('\n')) {
    const parts = /^([A-Za-z_:][\w:]*)(?:\{[^}]*\})? (\S+)/.exec(line)
    if (parts && Number.isFinite(Number(parts[2]))) metrics.set(parts[1] ?? '', Number(parts[2]))
  }
  return metrics
}

/** Points of a line in a box, the largest value at the top; a value that never changes lies at the bottom. */
export function polyline(values: readonly number[], width: number, height: number, most: number): string {
  const top = Math.max(...values)
  const bottom = Math.min(...values)
  const scale = top > bottom ? height / (top - bottom) : 0
  const step = width / Math.max(most - 1, 1)
  return values.map((value, index) => `${(index * step).toFixed(1)},${(height - (value - bottom) * scale).toFixed(1)}`).join(' ')
}
