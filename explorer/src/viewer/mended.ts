/** Where Cornerstone3D 5.14 does not do what readers expect. */
import { Enums, metaData, type Types } from '@cornerstonejs/core'
import { ProbeTool, WindowLevelTool } from '@cornerstonejs/tools'

/** Moves the window of a PET by its values: Cornerstone takes those of any PET for SUV. */
export class WindowTool extends WindowLevelTool {
  override getPTScaledNewRange(given: Parameters<WindowLevelTool['getPTScaledNewRange']>[0]): { lower: number; upper: number } {
    return this.getNewRange({ ...given, voiLutFunction: undefined })
  }
}

type Picture = ReturnType<ProbeTool['getTargetImageData']>

/** Reads the picture that is shown of a stack: Cornerstone looks in it for the slice with the picture's number. */
export class PointTool extends ProbeTool {
  override getTargetImageData(targetId: string): Picture {
    const picture = super.getTargetImageData(targetId)
    if (!picture?.voxelManager || !targetId.startsWith('imageId:')) return picture
    const { voxelManager } = picture
    const ofPicture = { getAtIJKPoint: ([i, j]: Types.Point3) => voxelManager.getAtIJKPoint([i, j, 0]) }
    return { ...picture, voxelManager: ofPicture } as unknown as Picture
  }
}

/** Keeps the values of PET in the units of the file, from wherever it comes: Cornerstone scales files to SUV. */
export function withoutUptake(type: string, imageId: string): object | undefined {
  if (type !== Enums.MetadataModules.SCALING) return undefined
  const series = metaData.get(Enums.MetadataModules.GENERAL_SERIES, imageId) as { modality?: string } | undefined
  return series?.modality === 'PT' ? {} : undefined
}
