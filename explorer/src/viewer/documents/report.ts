/** Structured reports (PS3.3 C.17.3), as `/instances/{id}/simplified-tags` tells them. */

export interface Tags {
  [keyword: string]: string | null | Tags[] | undefined
}

export interface Referred {
  /** Empty where the report does not name it. */
  sopClass: string
  sopInstance: string
  frames: string
}

/** A content item. */
export interface Item {
  /** What it is about; empty where it has no concept name. */
  name: string
  value: string
  unit: string
  /** Images, waveforms, reports that it refers to. */
  referred: Referred[]
  /** How it is related to the item above, such as `HAS OBS CONTEXT`. */
  relationship: string
  items: Item[]
}

function text(value: Tags[string]): string {
  return typeof value === 'string' ? value : ''
}

function sequence(value: Tags[string]): Tags[] {
  return Array.isArray(value) ? value : []
}

/** What a code means, or the code itself. */
function meaning(codes: Tags[string]): string {
  const [code] = sequence(codes)
  if (!code) return ''
  return text(code['CodeMeaning']) || text(code['CodeValue']) || text(code['LongCodeValue']) || text(code['URNCodeValue'])
}

function measured(content: Tags): { value: string; unit: string } {
  const [measure] = sequence(content['MeasuredValueSequence'])
  if (!measure) return { value: meaning(content['NumericValueQualifierCodeSequence']), unit: '' }
  const [unit] = sequence(measure['MeasurementUnitsCodeSequence'])
  const code = text(unit?.['CodeValue'])
  // `1` and `{ratio}` are no units that anybody reads (UCUM).
  return { value: text(measure['NumericValue']), unit: /^(1|\{.*\})$/.test(code) ? '' : code || meaning(measure['MeasurementUnitsCodeSequence']) }
}

const VALUES: Record<string, (content: Tags) => string> = {
  TEXT: (content) => text(content['TextValue']),
  CODE: (content) => meaning(content['ConceptCodeSequence']),
  PNAME: (content) => text(content['PersonName']),
  DATE: (content) => text(content['Date']),
  TIME: (content) => text(content['Time']),
  DATETIME: (content) => text(content['DateTime']),
  UIDREF: (content) => text(content['UID']),
  SCOORD: (content) => [text(content['GraphicType']), text(content['GraphicData']).replaceAll('\\', ' ')].join(' '),
  SCOORD3D: (content) => [text(content['GraphicType']), text(content['GraphicData']).replaceAll('\\', ' ')].join(' '),
  TCOORD: (content) =>
    [text(content['TemporalRangeType']), text(content['ReferencedTimeOffsets']) || text(content['ReferencedSamplePositions'])].join(' '),
}

function referred(content: Tags): Referred[] {
  return sequence(content['ReferencedSOPSequence']).map((one) => ({
    sopClass: text(one['ReferencedSOPClassUID']),
    sopInstance: text(one['ReferencedSOPInstanceUID']),
    frames: text(one['ReferencedFrameNumber']).replaceAll('\\', ', '),
  }))
}

/** A content item with all below it; the data set of a report is the uppermost. */
export function item(content: Tags): Item {
  const type = text(content['ValueType'])
  const { value, unit } = type === 'NUM' ? measured(content) : { value: VALUES[type]?.(content) ?? '', unit: '' }
  return {
    name: meaning(content['ConceptNameCodeSequence']),
    value,
    unit,
    referred: referred(content),
    relationship: text(content['RelationshipType']),
    items: sequence(content['ContentSequence']).map(item),
  }
}

/** Facts about a report, by keywords. */
export function facts(content: Tags): Record<string, string> {
  const wanted = ['CompletionFlag', 'VerificationFlag', 'ContentDate', 'ContentTime', 'Manufacturer'] as const
  const found = wanted.map((keyword) => [keyword, text(content[keyword])] as const)
  const verifiers = sequence(content['VerifyingObserverSequence']).map((one) => text(one['VerifyingObserverName']))
  return Object.fromEntries([...found, ['VerifyingObserverName', verifiers.join('; ')] as const].filter(([, value]) => value !== ''))
}
