import { describe, expect, it } from 'vitest'

import { PRESETS, range } from '@/list/dates'
import {
  conditions,
  dicomDates,
  emptySearch,
  fromAddress,
  isDates,
  order,
  pattern,
  toAddress,
  understand,
  type Search,
} from '@/list/search'

describe('a typed text', () => {
  it.each([
    ['doe', '*doe*'],
    ['  doe ', '*doe*'],
    ['doe*', 'doe*'],
    ['d?e', 'd?e'],
    ['"doe"', 'doe'],
    ['CT\\MR', 'CT\\MR'],
  ])('%s is the pattern %s', (typed, wanted) => expect(pattern(typed)).toBe(wanted))
})

describe('dates', () => {
  it.each([
    ['2026-11-28', '20261128'],
    ['28.11.2026', '20261128'],
    ['1/2/2026', '20260201'],
    ['20261128', '20261128'],
    ['2026-01-01 - 2026-11-28', '20260101-20261128'],
    ['20260101-', '20260101-'],
    ['-28.11.2026', '-20261128'],
    ['2026-01-01..2026-02-01', '20260101-20260201'],
    ['smith', 'smith'],
  ])('%s is %s', (typed, wanted) => expect(dicomDates(typed)).toBe(wanted))

  it.each(['20261128', '20260101-', '-20261128', '20260101-20261128'])('%s is a date', (text) => expect(isDates(text)).toBe(true))
  it.each(['2026', '', '-', 'smith', '202611289'])('%s is none', (text) => expect(isDates(text)).toBe(false))

  it('has presets that end today, across months and years', () => {
    const now = new Date(2026, 0, 3)
    expect(PRESETS.map((preset) => preset.range(now))).toEqual([
      '20260103',
      '20260102',
      '20251228-20260103',
      '20251205-20260103',
      '20250104-20260103',
      '',
    ])
  })

  it('is open where one end is missing', () => {
    expect(range('2026-01-01', '')).toBe('20260101-')
    expect(range('', '2026-01-01')).toBe('-20260101')
    expect(range('2026-01-01', '2026-01-01')).toBe('20260101')
    expect(range('', '')).toBe('')
  })
})

describe('a search', () => {
  const search: Search = {
    filters: { PatientName: 'doe', StudyDate: '2026-01-01', ModalitiesInStudy: 'CT,MR' },
    labels: ['urgent'],
    labelsConstraint: 'Any',
    sort: '-StudyDate',
  }

  it('comes back from the address', () => {
    const address = Object.fromEntries(Object.entries(toAddress(search)).map(([key, value]) => [key, String(value)]))
    expect(fromAddress(address)).toEqual(search)
    expect(fromAddress({})).toEqual(emptySearch())
  })

  it('is what the server understands', () => {
    expect(conditions(search)).toEqual({
      Level: 'Study',
      Query: { PatientName: '*doe*', StudyDate: '20260101', ModalitiesInStudy: 'CT\\MR' },
      Labels: ['urgent'],
      LabelsConstraint: 'Any',
    })
  })

  it('follows links that name a study', () => {
    expect(conditions(fromAddress({ StudyInstanceUID: '1.2.3' })).Query).toEqual({ StudyInstanceUID: '1.2.3' })
  })

  it('is sorted by what can be sorted by only', () => {
    expect(order('-StudyDate')).toEqual([{ Type: 'DicomTag', Key: 'StudyDate', Direction: 'DESC' }])
    expect(order('nonsense')).toEqual([{ Type: 'Metadata', Key: 'LastUpdate', Direction: 'DESC' }])
  })
})

describe('the search box', () => {
  /** Studies that have these values, and nothing else. */
  const having = (values: Record<string, string>) => async (wanted: { Query: Record<string, string> }) =>
    Object.entries(wanted.Query).every(([key, value]) => values[key]?.includes(value.replaceAll('*', ''))) ? 1 : 0

  it.each([
    ['doe 2026-01-02', { PatientName: 'doe', StudyDate: '20260102' }, { PatientName: 'doe', StudyDate: '2026-01-02' }],
    ['4711', { AccessionNumber: '4711' }, { AccessionNumber: '4711' }],
    ['knee', { StudyDescription: 'knee left' }, { StudyDescription: 'knee' }],
    ['unknown', {}, { PatientName: 'unknown' }],
  ])('reads %s', async (typed, values, filters) => {
    expect((await understand(typed, emptySearch(), having(values))).filters).toEqual(filters)
  })
})
