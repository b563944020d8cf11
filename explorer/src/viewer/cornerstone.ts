/** Cornerstone3D, made ready once: rendering, decoding in workers, and the tools of the viewer. */
import {
  Enums,
  getRenderingCapabilities,
  imageLoadPoolManager,
  imageRetrievalPoolManager,
  init as initCore,
  metaData,
  setUseCPURendering,
} from '@cornerstonejs/core'
import { init as initLoader } from '@cornerstonejs/dicom-image-loader'
import {
  AngleTool,
  CrosshairsTool,
  EllipticalROITool,
  LengthTool,
  PanTool,
  RectangleROITool,
  StackScrollTool,
  ZoomTool,
  addTool,
  init as initTools,
  utilities,
} from '@cornerstonejs/tools'

import { ACCEPT_FRAME } from './images/accept'
import { PointTool, WindowTool, withoutUptake } from './mended'
import type { ToolName } from './tools'

/** Cornerstone's tool for each of the viewer's. */
export const TOOL_CLASSES = {
  window: WindowTool,
  pan: PanTool,
  zoom: ZoomTool,
  length: LengthTool,
  angle: AngleTool,
  rectangle: RectangleROITool,
  ellipse: EllipticalROITool,
  probe: PointTool,
  crosshairs: CrosshairsTool,
} as const satisfies Record<ToolName, unknown>

const MOST_WORKERS = 4
const BEFORE_OTHERS = 100_000 // the priority of a provider
/** Requests ahead of need, at a time. A browser has six connections: two stay free for what is wanted now. */
const MOST_AHEAD = 4

/** Whether there is no graphics processor: WebGL in software draws a picture several times slower than a 2D canvas. */
export function isWithoutGraphics(): boolean {
  const { webgl, softwareRasterizer } = getRenderingCapabilities()
  return !webgl || softwareRasterizer
}

let ready: Promise<void> | undefined

async function start(): Promise<void> {
  initCore()
  setUseCPURendering(isWithoutGraphics())
  initLoader({
    maxWebWorkers: Math.min(MOST_WORKERS, navigator.hardwareConcurrency || 1),
    beforeSend: (_, imageId) => (imageId.startsWith('wadors:') ? { Accept: ACCEPT_FRAME } : undefined),
  })
  // What waits here can still be put into another order; what the browser has taken cannot.
  for (const pool of [imageLoadPoolManager, imageRetrievalPoolManager]) {
    pool.setMaxSimultaneousRequests(Enums.RequestType.Prefetch, MOST_AHEAD)
  }
  metaData.addProvider(withoutUptake, BEFORE_OTHERS)
  initTools()
  // Ahead in the direction of scrolling first, then all the rest.
  const { stackContextPrefetch } = utilities
  stackContextPrefetch.setConfiguration({ ...stackContextPrefetch.getConfiguration(), minBefore: 2, maxAfter: 10, directionExtraImages: 20 })
  for (const tool of Object.values(TOOL_CLASSES)) addTool(tool)
  addTool(StackScrollTool)
}

export function prepare(): Promise<void> {
  ready ??= start()
  return ready
}
