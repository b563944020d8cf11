import { describe, expect, it } from 'vitest'

import { date, personName, size } from '@/format'
import { csv } from '@/list/csv'
import { described, REMOTES } from '@/network/remotes'
import { resolved } from '@/defaults'
import { keys, parameters, simplified } from '@/query/keys'
import { beginning as begun, kindOf } from '@/study/added'
import { offered } from '@/options'
import { attachment, inMode, replacements } from '@/study/edit'
import { beginning as begunWorklist, filled as filledWorklist, worklist } from '@/worklists/worklist'
import { matches } from '@/study/elements'
import { parseMetrics, polyline } from '@/system/metrics'

describe('values', () => {
  it.each([
    ['Doe^John^Q^Dr^PhD', 'Doe, Dr John Q PhD'],
    ['Yamada^Tarou=山田^太郎', 'Yamada, Tarou'],
    ['^^^', ''],
    ['<b>^x', '<b>, x'],
  ])('the name %s is %s', (value, shown) => expect(personName(value)).toBe(shown))

  it.each([
    ['([^^]+)\\^?([^^]+)?', '$2 $1', 'John Doe'],
    ['([^', '$1', 'Doe, John'],
    ['(?<family>[^^]+)\\^.*', '$<family>', 'Doe'],
  ])('a name is shown as it is configured: %s', (PatientNameCapture, PatientNameFormatting, shown) => {
    Object.assign(offered.UiOptions, { PatientNameCapture, PatientNameFormatting })
    expect(personName('Doe^John')).toBe(shown)
    Object.assign(offered.UiOptions, { PatientNameCapture: '', PatientNameFormatting: null })
  })

  it.each([
    ['20261128', '28.11.2026'],
    ['2026.11.28', '28.11.2026'],
    ['20261328', '20261328'],
    ['unknown', 'unknown'],
    ['', ''],
  ])('the date %s is %s', (value, shown) => expect(date(value, 'de')).toBe(shown))

  it('has sizes in KB, MB and GB', () => {
    expect([512, 3 * 2 ** 20, 5.5 * 2 ** 30].map((bytes) => size(bytes, 'en'))).toEqual(['0.5 KB', '3 MB', '5.5 GB'])
  })
})

describe('CSV', () => {
  it('quotes what must be, and lets no spreadsheet run a formula', () => {
    expect(csv([['a,b', 'say "x"', 'two\nlines'], ['=1+1', '-2', 'plain']])).toBe(
      '"a,b","say ""x""","two\nlines"\r\n\'=1+1,\'-2,plain\r\n',
    )
  })
})

describe('edits', () => {
  const given = { PatientName: 'Doe^John', PatientID: '1', StudyDescription: 'Knee' }

  it('tell what differs only', () => {
    expect(replacements('modify', given, { ...given, StudyDescription: 'Hip' }, [])).toEqual({
      Replace: { StudyDescription: 'Hip' },
    })
    expect(replacements('modify', given, given, [])).toEqual({})
  })

  it('name the whole patient when the patient changes', () => {
    expect(replacements('modify', given, { ...given, PatientName: 'Roe' }, [])).toEqual({
      Replace: { PatientName: 'Roe', PatientID: '1', PatientBirthDate: '', PatientSex: '' },
      Force: true,
    })
  })

  it('leave to the server what is empty when anonymising', () => {
    const further = [
      { tag: 'InstitutionName', does: 'keep', value: '' },
      { tag: '0010,1010', does: 'remove', value: '' },
    ] as const
    expect(replacements('anonymize', given, { PatientName: '', PatientID: '' }, further)).toEqual({
      Keep: ['InstitutionName'],
      Remove: ['0010,1010'],
      Force: true,
    })
  })
})

describe('elements', () => {
  const sequence = {
    Name: 'Outer',
    Type: 'Sequence',
    Value: [{ '0008,0100': { Name: 'CodeValue', Type: 'String', Value: 'T-D1100' } }],
  } as const

  it.each(['outer', '0040', 'codevalue', 't-d11', ''])('are found by %s', (wanted) => {
    expect(matches('0040,a168', sequence as never, wanted)).toBe(true)
  })
  it('are left out otherwise', () => expect(matches('0040,a168', sequence as never, 'knee')).toBe(false))
})

describe('remotes', () => {
  it('have numbers as numbers and nothing empty', () => {
    expect(described(REMOTES[0]!, { AET: 'A', Host: 'h', Port: '104', Manufacturer: '' })).toEqual({ AET: 'A', Host: 'h', Port: 104 })
  })

  it('keep what no field shows of them, but for what is shown of secrets', () => {
    const known = { Url: 'http://a/', Username: 'u', Password: null, HttpHeaders: ['X'], Pkcs11: false, UserProperty: 'x' }
    expect(described(REMOTES[1]!, { Url: 'http://b/', Username: '', Password: 'p' }, known)).toEqual({
      Url: 'http://b/',
      Password: 'p',
      Pkcs11: false,
      UserProperty: 'x',
    })
  })
})

describe('a query', () => {
  it('asks for names anywhere, identifiers as they are, and all that is shown', () => {
    const asked = keys({ PatientName: 'doe', PatientID: '4711', StudyDate: '2026-01-02', ModalitiesInStudy: 'ct, mr' })
    expect(asked).toMatchObject({ PatientName: '*doe*', PatientID: '4711', StudyDate: '20260102', ModalitiesInStudy: 'CT\\MR' })
    expect(asked).toMatchObject({ StudyInstanceUID: '', AccessionNumber: '' })
  })
})

describe('metrics', () => {
  it('are read line by line', () => {
    expect([...parseMetrics('# HELP x\na_b 4 1795900536315\nc{l="x"} 1.5\nbroken\nd NaN\n')]).toEqual([
      ['a_b', 4],
      ['c', 1.5],
    ])
  })
  it('are drawn from bottom to top', () => {
    expect(polyline([1, 3], 10, 8, 2)).toBe('0.0,8.0 10.0,0.0')
    expect(polyline([5, 5], 10, 8, 2)).toBe('0.0,8.0 10.0,8.0')
  })
})

describe('what becomes of a source', () => {
  const edit = { Replace: { StudyDescription: 'Knee' } }
  const UIDS = ['StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID']

  it.each([
    ['duplicate', edit, { ...edit, KeepSource: true }],
    ['modify-new-uids', edit, { ...edit, KeepSource: false }],
    ['modify-keep-uids', edit, { ...edit, Keep: UIDS, Force: true, KeepSource: true }],
    ['modify-keep-uids', { Replace: { PatientID: '1' } }, { Replace: { PatientID: '1' }, Keep: UIDS, Force: true, KeepSource: false }],
  ] as const)('%s', (mode, given, wanted) => {
    expect(inMode(given, mode)).toEqual(wanted)
  })

  it('has all tags of the patient that it is attached to, and no others', () => {
    expect(attachment({ PatientID: '2', PatientName: 'Roe', PatientSex: '' }, { PatientID: '1', PatientName: 'Doe', PatientSex: 'M' })).toEqual({
      Replace: { PatientID: '2', PatientName: 'Roe' },
      Remove: ['PatientSex'],
      Force: true,
    })
  })
})

describe('files that are added', () => {
  it.each([
    [['application/pdf'], 'pdf'],
    [['image/png', 'image/jpeg'], 'image'],
    [['application/pdf', 'application/pdf'], undefined],
    [['application/pdf', 'image/png'], undefined],
    [['text/plain'], undefined],
    [[], undefined],
  ])('%s are %s', (types, kind) => {
    expect(kindOf(types)).toBe(kind)
  })

  it('begin with what is configured for their kind', () => {
    const configured = { SeriesDescription: 'Added', pdf: { SeriesDescription: 'Letter', SeriesDate: '$STUDY_DATE$' }, image: { Modality: 'XC' } }
    const day = new Date(2026, 10, 29, 12)
    expect(begun('pdf', configured, '20240131', day, day)).toMatchObject({ SeriesDescription: 'Letter', SeriesDate: '20240131', Modality: 'DOC' })
    expect(begun('image', configured, '', day, day)).toMatchObject({ SeriesDescription: 'Added', SeriesDate: '20261129', Modality: 'XC' })
  })
})

describe('placeholders', () => {
  const now = new Date(2026, 0, 2, 3, 4, 5)

  it.each([
    ['$TODAY$', '20260102'],
    ['at $NOW$', 'at 030405'],
    ['$NOW-10$', '025405'],
    ['$OTHER$', '$OTHER$'],
    ['$5', '$5'],
  ])('%s is %s', (text, wanted) => {
    expect(resolved(text, now)).toBe(wanted)
  })

  it('make UIDs, each another', () => {
    const [one, two] = [resolved('$GENERATE_DICOM_UUID$', now), resolved('$GENERATE_DICOM_UUID$', now)]
    expect(one).toMatch(/^2\.25\.[1-9]\d+$/)
    expect(one!.length).toBeLessThanOrEqual(64)
    expect(one).not.toBe(two)
  })
})

describe('a worklist entry', () => {
  const known = {
    PatientName: 'Doe',
    StudyInstanceUID: '1.2',
    ScheduledProcedureStepSequence: [{ Modality: 'CT', ScheduledProcedureStepStartTime: '103015', ScheduledStationName: 'x' }],
  }

  it('keeps what no field shows', () => {
    const values = filledWorklist(known)
    expect(values).toMatchObject({ PatientName: 'Doe', Modality: 'CT', ScheduledProcedureStepStartTime: '10:30' })
    expect(worklist(values, known)).toMatchObject(known)
  })

  it('has what was typed, in the step where it belongs', () => {
    const made = worklist({ ...filledWorklist({}), PatientName: 'Roe', ScheduledProcedureStepStartDate: '2026-01-02' }, {})
    expect(made).toMatchObject({ PatientName: 'Roe', ScheduledProcedureStepSequence: [{ ScheduledProcedureStepStartDate: '20260102' }] })
  })

  it('begins with what is configured', () => {
    const configured = { PatientID: 'A$TODAY$', ScheduledProcedureStepSequence: [{ Modality: 'MR', ScheduledProcedureStepStartDate: '$TODAY$' }] }
    expect(filledWorklist(begunWorklist(configured, new Date(2026, 0, 2)))).toMatchObject({
      PatientID: 'A20260102',
      Modality: 'MR',
      ScheduledProcedureStepStartDate: '2026-01-02',
    })
  })
})

describe('an answer of QIDO-RS', () => {
  it('is shown by keywords, whatever a server leaves out', () => {
    expect(
      simplified({
        '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Doe^John' }] },
        '00080061': { vr: 'CS', Value: ['CT', 'SR'] },
        '00201208': { vr: 'IS', Value: [3] },
        '00081030': { vr: 'LO' },
      }),
    ).toEqual({ PatientName: 'Doe^John', ModalitiesInStudy: 'CT\\SR', NumberOfStudyRelatedInstances: '3' })
  })

  it('is asked for as QIDO-RS has it', () => {
    expect(parameters({ ModalitiesInStudy: 'ct mr', StudyDate: '2026-01-02', PatientName: '' })).toMatchObject({
      ModalitiesInStudy: 'CT,MR',
      StudyDate: '20260102',
    })
    expect(parameters({})).not.toHaveProperty('PatientName')
  })
})
