import type { Resource } from '@/api/resources'
import { shownTag } from '@/format'

import type { Column } from './columns'

/** A cell as people read it. */
export function shown(column: Column, study: Resource, locale: string): string {
  return shownTag(column.key, column.value(study), locale)
}
