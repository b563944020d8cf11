import type { Resource } from '@/api/resources'
import { date, moment, personName } from '@/format'

import type { Column } from './columns'

/** A cell as people read it. */
export function shown(column: Column, study: Resource, locale: string): string {
  const value = column.value(study)
  if (column.key === 'LastUpdate') return moment(value, locale)
  if (column.filter === 'date') return date(value, locale)
  if (column.key.endsWith('Name') && column.key !== 'InstitutionName') return personName(value)
  return column.filter === 'modality' ? value.replaceAll('\\', ', ') : value
}
