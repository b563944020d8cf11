/** Addresses of other interfaces, which links out there have: of Orthanc Explorer (`/app/explorer.html#study?uuid=...`)
 * and of Orthanc Explorer 2 (`/ui/app/#/filtered-studies?...`). */
import type { RouteRecordRaw } from 'vue-router'

const LEVELS = ['patient', 'study', 'series', 'instance'] as const

/** Pages that have another name here. */
const PLACES: Readonly<Record<string, string>> = {
  lookup: 'studies',
  'find-studies': 'studies',
  'find-patients': 'studies',
  patients: 'studies',
  'query-retrieve': 'query',
  'query-retrieve-2': 'query',
  'query-retrieve-3': 'query',
  'query-retrieve-4': 'query',
  job: 'jobs',
  plugins: 'system',
  settings: 'system',
  'settings-metrics': 'system',
}

export const formerRoutes: RouteRecordRaw[] = [
  { path: '/filtered-studies', redirect: (to) => ({ name: 'studies', query: to.query }) },
  ...LEVELS.map((name) => ({
    path: `/${name}`,
    redirect: ({ query }: { query: Record<string, unknown> }) =>
      typeof query['uuid'] === 'string' ? { name, params: { id: query['uuid'] }, query: {} } : { name: 'studies', query: {} },
  })),
  ...Object.entries(PLACES).map(([path, name]) => ({ path: `/${path}`, redirect: { name, query: {} } })),
]
