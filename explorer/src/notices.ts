/** Short messages in a corner: what was done, and what went wrong. */
import { ref } from 'vue'

import { ServerError } from './api/client'
import { i18n } from './i18n'

export interface Notice {
  id: number
  text: string
  kind: 'done' | 'error'
}

export const notices = ref<Notice[]>([])
let last = 0

function add(text: string, kind: Notice['kind']): void {
  last += 1
  notices.value = [...notices.value.slice(-4), { id: last, text, kind }]
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id)
}

export function done(text: string): void {
  add(text, 'done')
}

/** What went wrong, as a sentence. */
export function explain(error: unknown): string {
  const { t } = i18n.global
  if (!(error instanceof ServerError)) return error instanceof Error ? error.message : String(error)
  if (error.isUnreachable) return t('error.unreachable')
  if (error.status === 401 || error.status === 403) return t('error.forbidden', { details: error.details })
  if (error.status === 404 && !error.details) return t('error.missing')
  return error.details || t('error.status', { status: error.status })
}

export function failed(error: unknown): void {
  add(explain(error), 'error')
}
