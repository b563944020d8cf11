/** Cornerstone3D, made ready once: rendering, decoding in workers, and the tools of the viewer. */
import { init as initCore } from '@cornerstonejs/core'
import { init as initLoader } from '@cornerstonejs/dicom-image-loader'
import {
  AngleTool,
  EllipticalROITool,
  LengthTool,
  PanTool,
  ProbeTool,
  RectangleROITool,
  StackScrollTool,
  WindowLevelTool,
  ZoomTool,
  addTool,
  init as initTools,
} from '@cornerstonejs/tools'

/** What the main mouse button may do, by the key that chooses it. */
export const TOOLS = {
  window: { tool: WindowLevelTool, key: 'w' },
  pan: { tool: PanTool, key: 'p' },
  zoom: { tool: ZoomTool, key: 'z' },
  length: { tool: LengthTool, key: 'l' },
  angle: { tool: AngleTool, key: 'a' },
  rectangle: { tool: RectangleROITool, key: 'b' },
  ellipse: { tool: EllipticalROITool, key: 'e' },
  probe: { tool: ProbeTool, key: 'o' },
} as const

export type ToolName = keyof typeof TOOLS

const MOST_WORKERS = 4
let ready: Promise<void> | undefined

async function start(): Promise<void> {
  await initCore()
  initLoader({ maxWebWorkers: Math.min(MOST_WORKERS, navigator.hardwareConcurrency || 1) })
  initTools()
  for (const { tool } of Object.values(TOOLS)) addTool(tool)
  addTool(StackScrollTool)
}

export function prepare(): Promise<void> {
  ready ??= start()
  return ready
}
