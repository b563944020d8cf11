/** What the main mouse button may do, and the keys that choose it. */
export const TOOLS = {
  window: 'w',
  pan: 'p',
  zoom: 'z',
  length: 'l',
  angle: 'a',
  rectangle: 'b',
  ellipse: 'e',
  probe: 'o',
  crosshairs: 'x', // where three planes are shown
} as const

export type ToolName = keyof typeof TOOLS

const DRAGGED: readonly ToolName[] = ['window', 'pan', 'zoom']

/** Whether a tool changes how the picture is seen while it is dragged; the others measure. */
export function isDragged(tool: ToolName): boolean {
  return DRAGGED.includes(tool)
}
