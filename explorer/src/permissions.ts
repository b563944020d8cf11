/** What the server lets the user do: its configuration (`UiOptions`) and its mode. */
import { useQuery } from '@tanstack/vue-query'

import { userInterface } from './api/system'

/** Each ability, the keys of `UiOptions` that take it away when false, and whether it changes the server. */
const ABILITIES = {
  upload: { option: 'EnableUpload', changes: true },
  delete: { option: 'EnableDeleteResources', changes: true },
  modify: { option: 'EnableModification', changes: true },
  anonymize: { option: 'EnableAnonymization', changes: true },
  labels: { option: 'EnableEditLabels', changes: true },
  send: { option: 'EnableSendTo', changes: false },
  download: { option: 'EnableDownloadZip', changes: false },
  downloadFile: { option: 'EnableDownloadDicomFile', changes: false },
  worklists: { option: 'EnableWorklists', changes: false },
  jobs: { option: 'EnableJobsList', changes: false },
  settings: { option: 'EnableSettings', changes: false },
  change: { option: '', changes: true },
} as const

export type Ability = keyof typeof ABILITIES

export function usePermissions() {
  const { data } = useQuery({ queryKey: ['user-interface'], queryFn: userInterface, staleTime: Infinity })
  function may(ability: Ability): boolean {
    const { option, changes } = ABILITIES[ability]
    if (!data.value) return false
    return !(changes && data.value.ReadOnly) && data.value.UiOptions[option] !== false
  }
  return { may }
}
