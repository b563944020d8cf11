import type { Offered } from '@/options'

import { get } from './client'

export interface System {
  Name: string
  Version: string
  ApiVersion: number
  DicomAet: string
  DicomPort: number
  DicomDefaultRetrieveMethod: string
  ReadOnly: boolean
  OverwriteInstances: boolean
  HasLabels: boolean
  [key: string]: unknown
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
export const offer = () => get<Offered>('ui/api/configuration')
