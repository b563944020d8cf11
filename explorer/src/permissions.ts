/** What may be done: by the server's configuration (`UiOptions`), its mode, and the user's rights. */
import { offered, type Right, type UiOptions } from './options'

type Switch = { [Name in keyof UiOptions]: UiOptions[Name] extends boolean ? Name : never }[keyof UiOptions]

/** Each ability, the key of `UiOptions` that takes it away when false, and the right that it needs. */
const ABILITIES = {
  upload: { option: 'EnableUpload', right: 'write' },
  delete: { option: 'EnableDeleteResources', right: 'write' },
  modify: { option: 'EnableModification', right: 'write' },
  anonymize: { option: 'EnableAnonymization', right: 'write' },
  addSeries: { option: 'EnableAddSeries', right: 'write' },
  labels: { option: 'EnableEditLabels', right: 'write' },
  send: { option: 'EnableSendTo', right: 'send' },
  queryModalities: { option: 'EnableDicomModalities', right: 'send' },
  queryDicomWeb: { option: 'EnableDicomWebServers', right: 'send' },
  download: { option: 'EnableDownloadZip', right: 'read' },
  downloadMedia: { option: 'EnableDownloadDicomDir', right: 'read' },
  downloadFile: { option: 'EnableDownloadDicomFile', right: 'read' },
  apiLinks: { option: 'EnableApiViewMenu', right: 'read' },
  worklists: { option: 'EnableWorklists', right: 'read' },
  jobs: { option: 'EnableJobsList', right: 'read' },
  settings: { option: 'EnableSettings', right: 'read' },
  change: { option: undefined, right: 'write' },
  reach: { option: undefined, right: 'send' },
  administer: { option: undefined, right: 'administer' },
} as const satisfies Record<string, { option: Switch | undefined; right: Right }>

export type Ability = keyof typeof ABILITIES

export function may(ability: Ability): boolean {
  const { option, right } = ABILITIES[ability]
  return offered.Rights.includes(right) && (option === undefined || offered.UiOptions[option])
}

export function usePermissions() {
  return { may }
}
