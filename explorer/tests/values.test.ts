import { describe, expect, it } from 'vitest'

import { date, personName, size } from '@/format'
import { csv } from '@/list/csv'
import { described, REMOTES } from '@/network/remotes'
import { keys } from '@/query/keys'
import { replacements } from '@/study/edit'
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
