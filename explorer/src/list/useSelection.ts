/** The studies that are chosen for what is done with several at once. */
import { shallowRef } from 'vue'

import type { Resource } from '@/api/resources'

export function useSelection() {
  const selection = shallowRef<ReadonlyMap<string, Resource>>(new Map())

  function toggle(study: Resource): void {
    const changed = new Map(selection.value)
    if (!changed.delete(study.ID)) changed.set(study.ID, study)
    selection.value = changed
  }

  /** Choose all of these, or none where they are chosen already. */
  function toggleAll(studies: readonly Resource[]): void {
    const isAll = studies.every((study) => selection.value.has(study.ID))
    selection.value = isAll ? new Map() : new Map(studies.map((study) => [study.ID, study]))
  }

  function clear(): void {
    selection.value = new Map()
  }

  return { selection, toggle, toggleAll, clear }
}
