import { get } from './client'

export interface System {
  Name: string
  Version: string
  ApiVersion: number
  DicomAet: string
  DicomPort: number
  ReadOnly: boolean
  HasLabels: boolean
  [key: string]: unknown
}

/** What the pages may offer, by the server's configuration. */
export interface UserInterface {
  UiOptions: Record<string, unknown>
  ReadOnly: boolean
  /** The path of DICOMweb, relative to the root of the API; null where the server has none. */
  DicomWebRoot: string | null
}

export interface ServerStatistics {
  CountPatients: number
  CountStudies: number
  CountSeries: number
  CountInstances: number
  TotalDiskSize: string
  TotalUncompressedSize: string
}

export const system = () => get<System>('system')
export const serverStatistics = () => get<ServerStatistics>('statistics')
export const userInterface = () => get<UserInterface>('ui/api/configuration')
