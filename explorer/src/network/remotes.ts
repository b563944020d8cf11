/** The kinds of servers that this one knows, and what describes one of them. */

export interface Field {
  key: string
  type: 'text' | 'number' | 'password' | 'url'
  isRequired: boolean
}

export interface Remote {
  path: 'modalities' | 'peers'
  fields: readonly Field[]
  /** The request that tells whether one answers. */
  test: (name: string) => { path: string; method: 'GET' | 'POST' }
}

export const REMOTES: readonly Remote[] = [
  {
    path: 'modalities',
    fields: [
      { key: 'AET', type: 'text', isRequired: true },
      { key: 'Host', type: 'text', isRequired: true },
      { key: 'Port', type: 'number', isRequired: true },
      { key: 'Manufacturer', type: 'text', isRequired: false },
    ],
    test: (name) => ({ path: `modalities/${encodeURIComponent(name)}/echo`, method: 'POST' }),
  },
  {
    path: 'peers',
    fields: [
      { key: 'Url', type: 'url', isRequired: true },
      { key: 'Username', type: 'text', isRequired: false },
      { key: 'Password', type: 'password', isRequired: false },
    ],
    test: (name) => ({ path: `peers/${encodeURIComponent(name)}/system`, method: 'GET' }),
  },
]

/** A filled form as the server takes it: numbers as numbers, and no empty fields. */
export function described(remote: Remote, values: Readonly<Record<string, string>>): Record<string, string | number> {
  return Object.fromEntries(
    remote.fields
      .filter((field) => (values[field.key] ?? '') !== '')
      .map((field) => [field.key, field.type === 'number' ? Number(values[field.key]) : (values[field.key] ?? '')]),
  )
}
