/** What an instance holds, by its class and its transfer syntax. */
export type Kind = 'pictures' | 'video' | 'report' | 'pdf' | 'document'

const PDF = '1.2.840.10008.5.1.4.1.1.104.1'
const DOCUMENTS = '1.2.840.10008.5.1.4.1.1.104.' // CDA, STL, OBJ, MTL
const REPORTS = '1.2.840.10008.5.1.4.1.1.88.' // structured reports and key object selections
const VIDEO = /^1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?$/ // MPEG-2, MPEG-4, HEVC

export function kind(sopClass: string, transferSyntax: string): Kind {
  if (VIDEO.test(transferSyntax)) return 'video'
  if (sopClass === PDF) return 'pdf'
  if (sopClass.startsWith(DOCUMENTS)) return 'document'
  return sopClass.startsWith(REPORTS) ? 'report' : 'pictures'
}
