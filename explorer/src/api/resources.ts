/** Patients, studies, series and instances, as `/tools/find` and their own addresses show them. */
import { get, post, remove, request } from './client'

export type Level = 'Patient' | 'Study' | 'Series' | 'Instance'
export type Tags = Record<string, string>

export interface Resource {
  ID: string
  Type: Level
  MainDicomTags: Tags
  PatientMainDicomTags?: Tags
  RequestedTags?: Tags
  Labels: string[]
  LastUpdate?: string
  ParentPatient?: string
  ParentStudy?: string
  ParentSeries?: string
  Studies?: string[]
  Series?: string[]
  Instances?: string[]
  IndexInSeries?: number | null
  Status?: string
  IsStable?: boolean
}

export interface Order {
  Type: 'DicomTag' | 'Metadata'
  Key: string
  Direction: 'ASC' | 'DESC'
}

export interface Conditions {
  Level: Level
  Query: Tags
  Labels?: string[]
  LabelsConstraint?: 'All' | 'Any' | 'None'
  ParentPatient?: string
  ParentStudy?: string
  ParentSeries?: string
}

export interface Page {
  Limit: number
  Since: number
  OrderBy: Order[]
  RequestedTags?: string[]
}

/** The name of a level in addresses. */
export const COLLECTION: Record<Level, string> = {
  Patient: 'patients',
  Study: 'studies',
  Series: 'series',
  Instance: 'instances',
}

export function find(conditions: Conditions, page: Partial<Page> = {}, signal?: AbortSignal) {
  return post<Resource[]>('tools/find', { ...conditions, ...page, Expand: true }, signal)
}

export async function count(conditions: Conditions, signal?: AbortSignal): Promise<number> {
  return (await post<{ Count: number }>('tools/count-resources', conditions, signal)).Count
}

/** @param requested keywords of tags to tell besides the main ones */
export function resource(level: Level, id: string, requested: readonly string[] = []): Promise<Resource> {
  const query = requested.length > 0 ? `?requested-tags=${encodeURIComponent([...new Set(requested)].join(';'))}` : ''
  return get<Resource>(`${COLLECTION[level]}/${id}${query}`)
}

export function deleteMany(ids: string[]): Promise<unknown> {
  return post('tools/bulk-delete', { Resources: ids })
}

export function setLabel(level: Level, id: string, label: string): Promise<Response> {
  const path = `${COLLECTION[level]}/${id}/labels/${encodeURIComponent(label)}`
  return request(path, { method: 'PUT', body: '' })
}

export function removeLabel(level: Level, id: string, label: string): Promise<void> {
  return remove(`${COLLECTION[level]}/${id}/labels/${encodeURIComponent(label)}`)
}

export function labels(): Promise<string[]> {
  return get<string[]>('tools/labels')
}

/** An element as `/instances/{id}/tags` shows it. */
export interface Element {
  Name: string
  Type: 'String' | 'Sequence' | 'Null' | 'Binary' | 'TooLong' | 'None'
  Value: string | Record<string, Element>[] | null
  PrivateCreator?: string
}

export function tags(instance: string): Promise<Record<string, Element>> {
  return get<Record<string, Element>>(`instances/${instance}/tags`)
}

export function header(instance: string): Promise<Record<string, Element>> {
  return get<Record<string, Element>>(`instances/${instance}/header`)
}

export function metadata(level: Level, id: string): Promise<Record<string, string>> {
  return get<Record<string, string>>(`${COLLECTION[level]}/${id}/metadata?expand`)
}

export interface Statistics {
  CountInstances: number
  CountSeries?: number
  DiskSizeMB: number
  DiskSize: string
}

export function statistics(level: Level, id: string): Promise<Statistics> {
  return get<Statistics>(`${COLLECTION[level]}/${id}/statistics`)
}
