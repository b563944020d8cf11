import { metadata, type Resource } from '@/api/resources'

import { kind, type Kind } from './kinds'

/** What a series holds, by its first instance. */
export async function kindOf(series: Resource): Promise<Kind> {
  const [first] = series.Instances ?? []
  if (!first) return 'pictures'
  const known = await metadata('Instance', first)
  return kind(known['SopClassUid'] ?? '', known['TransferSyntax'] ?? '')
}
