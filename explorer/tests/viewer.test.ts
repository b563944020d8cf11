import { describe, expect, it } from 'vitest'

import { ACCEPT_FRAME } from '@/viewer/images/accept'
import { text } from '@/viewer/images/dicomJson'
import { frameIds, imageIds, seriesPath, sorted } from '@/viewer/images/frames'
import { COMMANDS, commandOf } from '@/viewer/commands'
import { kind } from '@/viewer/documents/kinds'
import { item } from '@/viewer/documents/report'
import { naturalText } from '@/viewer/images/natural'
import { isVolume } from '@/viewer/images/volume'
import { lines } from '@/viewer/measurements'
import { letters, opposite, short, technique } from '@/viewer/overlay'
import { petWindow, suvFactor } from '@/viewer/suv'
import { range, windowOf, windowsOf } from '@/viewer/presets'

describe('pictures', () => {
  it('are in the order of their numbers, each frame by itself', () => {
    const instance = (id: string, number: string, frames?: string) => ({
      ID: id,
      Type: 'Instance' as const,
      Labels: [],
      MainDicomTags: { InstanceNumber: number, ...(frames ? { NumberOfFrames: frames } : {}) },
    })
    const ids = imageIds([instance('b', '10'), instance('a', '9', '2')], (path) => `/${path}`)
    expect(ids).toEqual(['wadouri:/instances/a/file?frame=1', 'wadouri:/instances/a/file?frame=2', 'wadouri:/instances/b/file'])
  })
  it('are seen through a window', () => {
    expect(range({ width: 400, center: 40 })).toEqual({ lower: -160, upper: 239 })
    expect(windowOf(-160, 239)).toEqual({ width: 400, center: 40 })
  })
  it.each([
    ['40\\-600', '400\\1500', 'Soft tissue\\Lung', ['Soft tissue 400 40', 'Lung 1500 -600']],
    ['40\\300', ' 400\\1500', 'WINDOW1', ['WINDOW1 400 40', 'W 1500 L 300 1500 300']],
    ['0.5', '0.25', '', ['W 0.25 L 0.5 0.25 0.5']],
    ['40\\x\\1\\2', '0\\5', 'a\\b\\c\\d', []],
    ['', '', '', []],
  ])('name windows of their own: %s', (center, width, names, expected) =>
    expect(windowsOf(center, width, names).map((one) => `${one.name} ${one.width} ${one.center}`)).toEqual(expected),
  )
})

describe('pictures over DICOMweb', () => {
  const instance = (uid: string, number: number, frames?: number, rows = 2) => ({
    '00080018': { vr: 'UI', Value: [uid] },
    '00200013': { vr: 'IS', Value: [number] },
    '00280010': { vr: 'US', Value: [rows] },
    ...(frames ? { '00280008': { vr: 'IS', Value: [frames] } } : {}),
  })

  it('are in the order of their numbers, and what has no picture is left out', () => {
    const ids = frameIds(sorted([instance('1.2', 10), instance('1.1', 9, 2), instance('1.3', 1, undefined, 0)]), '/s')
    expect(ids).toEqual([
      'wadors:/s/instances/1.1/frames/1',
      'wadors:/s/instances/1.1/frames/2',
      'wadors:/s/instances/1.2/frames/1',
    ])
  })
  it('are found by the identifiers of study and series', () => {
    const resource = (MainDicomTags: Record<string, string>) => ({ ID: '', Type: 'Study' as const, Labels: [], MainDicomTags })
    const path = seriesPath('dicom-web/', resource({ StudyInstanceUID: '1.2' }), resource({ SeriesInstanceUID: '1.3/x' }))
    expect(path).toBe('dicom-web/studies/1.2/series/1.3%2Fx')
  })
  it('are asked for in syntaxes that the decoders know', () => {
    expect(ACCEPT_FRAME).toContain('transfer-syntax=1.2.840.10008.1.2.4.90')
    expect(ACCEPT_FRAME).not.toContain('4.100')
  })
  it('have values as text', () => {
    expect(text({ vr: 'DS', Value: [0.5, 0.25] })).toBe('0.5\\0.25')
    expect(text({ vr: 'PN', Value: [{ Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎' }] })).toBe('Yamada^Tarou=山田^太郎')
    expect(text(undefined)).toBe('')
  })
})

describe('pictures out of files', () => {
  const data = {
    WindowCenter: [40, 300],
    Units: 'BQML',
    PatientName: [{ Alphabetic: 'Doe^John' }],
    RadiopharmaceuticalInformationSequence: [{ RadionuclideTotalDose: 370000000 }],
  }

  it.each([
    [['WindowCenter'], '40\\300'],
    [['Units'], 'BQML'],
    [['RadiopharmaceuticalInformationSequence', 'RadionuclideTotalDose'], '370000000'],
    [['RadiopharmaceuticalInformationSequence'], ''],
    [['Units', 'RadionuclideTotalDose'], ''],
    [['Exposure'], ''],
  ])('have values as text, too: %s', (path, expected) => expect(naturalText(data, path)).toBe(expected))
  it('have none before they are there', () => expect(naturalText(undefined, ['Units'])).toBe(''))
})

describe('a volume', () => {
  const slice = (position: number[], more: object = {}) => ({
    '00200032': { vr: 'DS', Value: position },
    '00200037': { vr: 'DS', Value: [1, 0, 0, 0, 1, 0] },
    '00280002': { vr: 'US', Value: [1] },
    '00280010': { vr: 'US', Value: [4] },
    ...more,
  })
  const three = [slice([0, 0, 0]), slice([0, 0, 1]), slice([0, 0, 2])]

  it('has three slices or more', () => {
    expect(isVolume(three)).toBe(true)
    expect(isVolume(three.slice(1))).toBe(false)
  })
  it.each([
    ['in one place', slice([5, 5, 1])],
    ['in another direction', slice([0, 0, 3], { '00200037': { vr: 'DS', Value: [0, 1, 0, 0, 0, 1] } })],
    ['of another size', slice([0, 0, 3], { '00280010': { vr: 'US', Value: [8] } })],
    ['in colours', slice([0, 0, 3], { '00280002': { vr: 'US', Value: [3] } })],
    ['of a cine', slice([0, 0, 3], { '00280008': { vr: 'IS', Value: [3] } })],
    ['without a place', slice([])],
  ])('has none %s', (_, other) => expect(isVolume([...three, other])).toBe(false))
  it('may be one file of many frames', () => {
    const frame = (z: number) => ({ '00209113': { vr: 'SQ', Value: [{ '00200032': { vr: 'DS', Value: [0, 0, z] } }] } })
    const shared = { '00209116': { vr: 'SQ', Value: [{ '00200037': { vr: 'DS', Value: [1, 0, 0, 0, 1, 0] } }] } }
    const file = {
      '00280002': { vr: 'US', Value: [1] },
      '52009229': { vr: 'SQ', Value: [shared] },
      '52009230': { vr: 'SQ', Value: [frame(0), frame(1), frame(2)] },
    }
    expect(isVolume([file] as never)).toBe(true)
  })
})

describe('texts of a picture', () => {
  it('name the sides of the patient', () => {
    expect(letters([1, 0, 0])).toBe('L')
    expect(letters([0, -0.7, 0.714])).toBe('HA')
    expect(letters([0.05, -1, 0])).toBe('A')
    expect(letters([0, 0, 0])).toBe('')
    expect(opposite('HA')).toBe('FP')
  })
  it('tell what it was made with', () => {
    const told: Record<string, string> = { KVP: '120', RepetitionTime: '500.12345' }
    expect(technique((tag) => told[tag] ?? '')).toBe('120 kV, TR 500.123 ms')
    expect(short('unknown')).toBe('unknown')
    expect(short('')).toBe('')
  })
})

describe('measurements', () => {
  it('are told in their units', () => {
    expect(lines({ mean: 500.123, stdDev: 0, area: 12, areaUnit: 'mm²', modalityUnit: 'HU' })).toEqual(['12 mm²', 'Ø 500.12 HU', 'σ 0 HU'])
    expect(lines({ value: [1, 2, 3], modalityUnit: '' })).toEqual(['1, 2, 3'])
    expect(lines(undefined)).toEqual([])
  })
})

describe('uptake', () => {
  const PET: Record<string, string> = {
    Units: 'BQML',
    CorrectedImage: 'ATTN\\SCAT\\DECY',
    DecayCorrection: 'START',
    PatientWeight: '70',
    SeriesDate: '20240131',
    SeriesTime: '110000.5',
    AcquisitionDate: '20240131',
    AcquisitionTime: '110500',
    'RadiopharmaceuticalInformationSequence/RadiopharmaceuticalStartTime': '100000.5',
    'RadiopharmaceuticalInformationSequence/RadionuclideTotalDose': '370000000',
    'RadiopharmaceuticalInformationSequence/RadionuclideHalfLife': '3600',
  }
  const factor = (more: Record<string, string>) => suvFactor((...path) => ({ ...PET, ...more })[path.join('/')] ?? '')

  it('is that of the dose that is left', () => expect(factor({})).toBeCloseTo(70_000 / 185_000_000, 12))
  it.each([
    ['from the injection on', { DecayCorrection: 'ADMIN' }, 70_000 / 370_000_000],
    ['over midnight, where the date is told', { 'RadiopharmaceuticalInformationSequence/RadiopharmaceuticalStartDateTime': '20240130230000.5' }, 70_000 / (370_000_000 / 4096)],
  ])('is corrected %s', (_, more, expected) => expect(factor(more)! / expected).toBeCloseTo(1, 9))
  it.each([
    ['other units', { Units: 'CNTS' }],
    ['no correction of decay', { CorrectedImage: 'ATTN' }],
    ['no correction of attenuation', { CorrectedImage: 'DECY' }],
    ['an unknown correction', { DecayCorrection: 'NONE' }],
    ['no weight', { PatientWeight: '' }],
    ['no dose', { 'RadiopharmaceuticalInformationSequence/RadionuclideTotalDose': '0' }],
    ['no half-life', { 'RadiopharmaceuticalInformationSequence/RadionuclideHalfLife': '' }],
    ['no time of injection', { 'RadiopharmaceuticalInformationSequence/RadiopharmaceuticalStartTime': '' }],
    ['an injection after the series', { 'RadiopharmaceuticalInformationSequence/RadiopharmaceuticalStartTime': '113000' }],
    ['a series made later', { SeriesTime: '120000' }],
    ['no time of acquisition', { AcquisitionTime: '' }],
    ['an injection in a zone', { 'RadiopharmaceuticalInformationSequence/RadiopharmaceuticalStartDateTime': '20240131100000+0100' }],
  ])('is not told of %s', (_, more) => expect(factor(more)).toBeNull())
  it.each<[string, Record<string, string>, { width: number; center: number }]>([
    ['as the file says', { WindowCenter: '10', WindowWidth: '20' }, { width: 20, center: 10 }],
    ['to the usual uptake', {}, { width: 5 * 185_000_000 / 70_000 + 1, center: 5 * 185_000_000 / 140_000 + 0.5 }],
    ['to the largest value where the uptake is not told', { PatientWeight: '' }, { width: 1001, center: 500.5 }],
  ])('is seen %s', (_, more, { width, center }) => {
    const seen = petWindow((...path) => ({ ...PET, ...more })[path.join('/')] ?? '', 1000)
    expect([seen.width / width, seen.center / center].map((one) => one.toFixed(6))).toEqual(['1.000000', '1.000000'])
  })
  it('stands beside the value', () => {
    expect(lines({ mean: 5000, area: 12, areaUnit: 'mm²', modalityUnit: 'BQML' }, 0.0005)).toEqual(['12 mm²', 'Ø 5000 BQML (SUV 2.50)'])
    expect(lines({ mean: 5000, modalityUnit: 'raw' }, 0.0005)).toEqual(['Ø 5000 raw'])
  })
})

describe('series', () => {
  it.each([
    ['1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.4.90', 'pictures'],
    ['1.2.840.10008.5.1.4.1.1.77.1.1.1', '1.2.840.10008.1.2.4.102', 'video'],
    ['1.2.840.10008.5.1.4.1.1.104.1', '1.2.840.10008.1.2.1', 'pdf'],
    ['1.2.840.10008.5.1.4.1.1.104.3', '1.2.840.10008.1.2.1', 'document'],
    ['1.2.840.10008.5.1.4.1.1.88.59', '1.2.840.10008.1.2.1', 'report'],
    ['', '', 'pictures'],
  ])('of class %s in %s are %s', (sopClass, syntax, expected) => expect(kind(sopClass, syntax)).toBe(expected))
})

describe('a report', () => {
  it('has names, values, units and references', () => {
    const told = item({
      ValueType: 'CONTAINER',
      ContentSequence: [
        {
          ValueType: 'NUM',
          ConceptNameCodeSequence: [{ CodeMeaning: 'Ratio' }],
          MeasuredValueSequence: [{ NumericValue: '2', MeasurementUnitsCodeSequence: [{ CodeValue: '1', CodeMeaning: 'no units' }] }],
        },
        { ValueType: 'CODE', ConceptNameCodeSequence: [], ConceptCodeSequence: [{ CodeValue: 'T-1' }] },
        { ValueType: 'IMAGE', ReferencedSOPSequence: [{ ReferencedSOPInstanceUID: '1.2', ReferencedFrameNumber: '1\\2' }] },
      ],
    })
    expect(told.items.map(({ name, value, unit }) => [name, value, unit])).toEqual([
      ['Ratio', '2', ''],
      ['', 'T-1', ''],
      ['', '', ''],
    ])
    expect(told.items[2]?.referred).toEqual([{ sopClass: '', sopInstance: '1.2', frames: '1, 2' }])
  })
})

describe('keys', () => {
  it('mean one thing each', () => {
    const keys = COMMANDS.flatMap((command) => command.keys)
    expect(new Set(keys).size).toBe(keys.length)
  })
  it('move the pointer with Shift, and scroll without', () => {
    const done: unknown[] = []
    const pane = { nudge: (x: number, y: number) => done.push([x, y]), scroll: (by: number) => done.push(by) }
    const viewer = { pane: () => pane } as never
    commandOf('ArrowDown', true)?.(viewer)
    commandOf('ArrowDown', false)?.(viewer)
    expect(done).toEqual([[0, 10], 1])
    expect(commandOf('q', false)).toBeUndefined()
  })
})
