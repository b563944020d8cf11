/** Asking other servers, and having this one send to them. */
import { get, post } from '@/api/client'
import type { JobReference } from '@/api/jobs'

import { pathOf, REMOTES, type Remote } from './remotes'

export interface Target {
  remote: Remote
  name: string
}

/** All of some kinds, by their names. */
export async function targets(kinds: readonly Remote['kind'][]): Promise<Target[]> {
  const asked = REMOTES.filter((remote) => kinds.includes(remote.kind) && remote.path() !== '')
  const names = await Promise.all(asked.map((remote) => get<string[]>(remote.path())))
  return asked.flatMap((remote, index) => (names[index] ?? []).map((name) => ({ remote, name })))
}

/** Have the server send resources, in a job. */
export function sendTo({ remote, name }: Target, ids: readonly string[]): Promise<JobReference> {
  return post<JobReference>(`${pathOf(remote, name)}/${remote.send}`, { Resources: ids, Asynchronous: true })
}

/** Ask one whether it answers. */
export async function test({ remote, name }: Target): Promise<void> {
  const { path, body } = remote.test
  const full = `${pathOf(remote, name)}/${path}`
  await (body === undefined ? get(full) : post(full, body))
}
