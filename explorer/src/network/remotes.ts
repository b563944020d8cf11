/** The kinds of servers that this one knows, what describes one of them, and how it is asked and sent to. */
import { offered } from '@/options'

export interface Field {
  key: string
  type: 'text' | 'number' | 'password' | 'url' | 'checkbox'
  isRequired?: boolean
}

type Value = string | number | boolean
export type Description = Readonly<Record<string, Value | readonly string[] | null>>

export interface Remote {
  kind: 'modalities' | 'peers' | 'dicomweb'
  /** Where they are in the API; empty where the server has none of this kind. */
  path: () => string
  fields: readonly Field[]
  /** What is asked below the path of one to learn whether it answers: a GET, or a POST where there is a body. */
  test: { path: string; body?: unknown }
  /** What is added to the path of one to send to it. */
  send: string
}

const CREDENTIALS: readonly Field[] = [
  { key: 'Url', type: 'url', isRequired: true },
  { key: 'Username', type: 'text' },
  { key: 'Password', type: 'password' },
  { key: 'Timeout', type: 'number' },
]

export const REMOTES: readonly Remote[] = [
  {
    kind: 'modalities',
    path: () => 'modalities',
    fields: [
      { key: 'AET', type: 'text', isRequired: true },
      { key: 'Host', type: 'text', isRequired: true },
      { key: 'Port', type: 'number', isRequired: true },
      { key: 'Manufacturer', type: 'text' },
    ],
    test: { path: 'echo', body: {} },
    send: 'store',
  },
  {
    kind: 'peers',
    path: () => 'peers',
    fields: CREDENTIALS,
    test: { path: 'system' },
    send: 'store',
  },
  {
    kind: 'dicomweb',
    path: () => (offered.DicomWebRoot === null ? '' : `${offered.DicomWebRoot}servers`),
    fields: [
      ...CREDENTIALS,
      { key: 'HasDelete', type: 'checkbox' },
      { key: 'HasWadoRsUniversalTransferSyntax', type: 'checkbox' },
    ],
    test: { path: 'qido', body: { Uri: 'studies', Arguments: { limit: '1' } } },
    send: 'stow',
  },
]

export function pathOf(remote: Remote, name: string): string {
  return `${remote.path()}/${encodeURIComponent(name)}`
}

/** What a form shows of a known server. */
export function filled(remote: Remote, known: Description): Record<string, string | boolean> {
  return Object.fromEntries(
    remote.fields.map(({ key, type }) => {
      const value = known[key]
      if (type === 'checkbox') return [key, value === undefined ? key !== 'HasDelete' : value === true || value === '1']
      return [key, type === 'password' || value === null || value === undefined ? '' : String(value)]
    }),
  )
}

/** A filled form as the server takes it, with what is known of the server beside the fields of the form. */
export function described(
  remote: Remote,
  values: Readonly<Record<string, string | boolean>>,
  known: Description = {},
): Record<string, Value> {
  const keys = remote.fields.map((field) => field.key)
  const beside = Object.entries(known).filter(([key, value]) => !keys.includes(key) && isPlain(value))
  const given = remote.fields
    .filter(({ key }) => values[key] !== undefined && values[key] !== '')
    .map(({ key, type }) => [key, type === 'number' ? Number(values[key]) : values[key]])
  return Object.fromEntries([...beside, ...given]) as Record<string, Value>
}

function isPlain(value: Description[string] | undefined): boolean {
  return value !== null && typeof value !== 'object'
}
