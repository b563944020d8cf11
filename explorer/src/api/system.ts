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
