import { describe, expect, it } from 'vitest'

import { filled, viewerLinks, type OpenerOptions } from '@/elsewhere/links'

const resource = (ID: string, MainDicomTags: Record<string, string>, PatientMainDicomTags?: Record<string, string>) => ({
  ID,
  Type: 'Study' as const,
  Labels: [],
  MainDicomTags,
  ...(PatientMainDicomTags ? { PatientMainDicomTags } : {}),
})
const study = resource('a-b', { StudyInstanceUID: '1.2', StudyDescription: 'Head & neck' }, { PatientID: '4/7' })
const series = resource('c-d', { SeriesInstanceUID: '1.2.3' })
const ALL: OpenerOptions = {
  EnableOpenInOhifViewer3: true,
  OhifViewer3PublicRoot: '/ohif/',
  EnableOpenInOhifViewer: true,
  OhifViewerPublicRoot: 'https://two.example.com/',
  EnableOpenInMedDreamViewer: true,
  MedDreamViewerPublicRoot: 'https://dream.example.com/',
  EnableOpenInWeasisViewer: true,
  EnableOpenInSlicer: true,
  ViewersOrdering: ['slicer', 'stone-webviewer', 'ohif'],
  CustomButtons: {},
}

describe('other viewers', () => {
  it('are there that are enabled, in the order that is asked for', () => {
    const ids = (options: Partial<OpenerOptions>) => viewerLinks(study, { ...ALL, ...options }, 'http://here/dicom-web').map(({ id }) => id)
    expect(ids({})).toEqual(['slicer', 'ohif', 'ohif-2', 'weasis', 'meddream'])
    expect(ids({ EnableOpenInSlicer: false, EnableOpenInOhifViewer: false })).toEqual(['ohif', 'weasis', 'meddream'])
  })
  it('are left out that need DICOMweb where there is none', () => {
    expect(viewerLinks(study, ALL, null).map(({ id }) => id)).toEqual(['ohif', 'ohif-2', 'meddream'])
  })
})

describe('addresses of buttons', () => {
  it.each([
    ['x?id={PatientID}&n={StudyDescription}', 'x?id=4%2F7&n=Head%20%26%20neck'],
    ['studies/{UUID}', 'studies/a-b'],
    ['x/{Unknown}/{}', 'x//{}'],
  ])('%s', (template, expected) => expect(filled(template, study)).toBe(expected))
  it('are not led elsewhere by a value', () => {
    expect(filled('modalities/{PatientID}/store', resource('a', { PatientID: '..' }))).toBe('modalities//store')
  })
  it('have values of what a series belongs to', () => {
    expect(filled('{UUID} {PatientID} {StudyInstanceUID} {SeriesInstanceUID}', series, [study])).toBe('c-d 4%2F7 1.2 1.2.3')
  })
})
