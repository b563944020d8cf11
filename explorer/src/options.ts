/** What the server offers to who looks at the pages: `main.ts` asks for it, before they are shown. */
import { shallowReactive } from 'vue'

import type { OpenerOptions } from '@/elsewhere/links'

/** What an operation does to the server. */
export type Right = 'read' | 'write' | 'send' | 'administer'
export type Mode = 'modify-new-uids' | 'modify-keep-uids' | 'duplicate'

/** Tags for the form of something new: texts by keywords, and sequences. */
export interface DefaultTags {
  [keyword: string]: string | DefaultTags | DefaultTags[]
}

/** The `UiOptions` of Orthanc Explorer 2 that have a meaning here. */
export interface UiOptions extends OpenerOptions {
  EnableUpload: boolean
  EnableDeleteResources: boolean
  EnableModification: boolean
  EnableAnonymization: boolean
  EnableAddSeries: boolean
  EnableEditLabels: boolean
  EnableLabelsCount: boolean
  AvailableLabels: string[]
  EnableSendTo: boolean
  EnableDicomModalities: boolean
  EnableDicomWebServers: boolean
  EnableDownloadZip: boolean
  EnableDownloadDicomDir: boolean
  EnableDownloadDicomFile: boolean
  EnableApiViewMenu: boolean
  EnableWorklists: boolean
  EnableJobsList: boolean
  EnableSettings: boolean
  ShowOrthancName: boolean
  TranslateDicomTags: boolean
  AutoAddWildcardsToSearchFields: boolean
  StudyListSearchMode: 'search-as-you-type' | 'search-button'
  StudyListSearchAsYouTypeMinChars: number
  StudyListSearchAsYouTypeDelay: number // ms
  StudyListContentIfNoSearch: 'default-ordering' | 'most-recents' | 'empty'
  StudyListColumns: string[]
  ModalitiesFilter: string[]
  PatientMainTags: string[]
  StudyMainTags: string[]
  SeriesMainTags: string[]
  WorklistsColumns: string[]
  NewWorklistDefaultTags: DefaultTags
  AddSeriesDefaultTags: DefaultTags
  ShowSamePatientStudiesFilter: string[]
  Modifications: { AllowedModes: Mode[]; DefaultMode: Mode; SeriesAllowedModes: Mode[]; SeriesDefaultMode: Mode }
  AvailableLanguages: string[]
  DefaultLanguage: string | null
  DateFormat: string | null
  PatientNameCapture: string
  PatientNameFormatting: string | null
}

export interface Offered {
  UiOptions: UiOptions
  ReadOnly: boolean
  Rights: Right[]
  Theme: 'light' | 'dark' | ''
  Title: string
  /** The path of DICOMweb, relative to the root of the API; null where the server has none. */
  DicomWebRoot: string | null
  /** Files of the configuration that the pages take instead of their own, or beside them. */
  Custom: ('custom-style' | 'custom-logo' | 'custom-icon')[]
}

const MODES: Mode[] = ['modify-new-uids', 'modify-keep-uids', 'duplicate']

/** At first, and where the server does not answer: to look. */
export const offered: Offered = shallowReactive<Offered>({
  UiOptions: {
    EnableUpload: true,
    EnableDeleteResources: true,
    EnableModification: true,
    EnableAnonymization: true,
    EnableAddSeries: true,
    EnableEditLabels: true,
    EnableLabelsCount: true,
    AvailableLabels: [],
    EnableSendTo: true,
    EnableDicomModalities: true,
    EnableDicomWebServers: true,
    EnableDownloadZip: true,
    EnableDownloadDicomDir: true,
    EnableDownloadDicomFile: true,
    EnableApiViewMenu: true,
    EnableWorklists: true,
    EnableJobsList: true,
    EnableSettings: true,
    ShowOrthancName: true,
    TranslateDicomTags: true,
    AutoAddWildcardsToSearchFields: true,
    StudyListSearchMode: 'search-as-you-type',
    StudyListSearchAsYouTypeMinChars: 1,
    StudyListSearchAsYouTypeDelay: 60,
    StudyListContentIfNoSearch: 'default-ordering',
    StudyListColumns: [],
    ModalitiesFilter: [],
    PatientMainTags: [],
    StudyMainTags: [],
    SeriesMainTags: [],
    WorklistsColumns: [],
    NewWorklistDefaultTags: {},
    AddSeriesDefaultTags: {},
    ShowSamePatientStudiesFilter: ['PatientID'],
    Modifications: {
      AllowedModes: MODES,
      DefaultMode: 'duplicate',
      SeriesAllowedModes: MODES,
      SeriesDefaultMode: 'duplicate',
    },
    AvailableLanguages: ['en', 'de', 'es', 'fr'],
    DefaultLanguage: null,
    DateFormat: null,
    PatientNameCapture: '',
    PatientNameFormatting: null,
    EnableOpenInOhifViewer3: false,
    OhifViewer3PublicRoot: '/ohif/',
    EnableOpenInOhifViewer: false,
    OhifViewerPublicRoot: '',
    EnableOpenInMedDreamViewer: false,
    MedDreamViewerPublicRoot: '',
    EnableOpenInWeasisViewer: false,
    EnableOpenInSlicer: false,
    ViewersOrdering: [],
    CustomButtons: {},
  },
  ReadOnly: false,
  Rights: ['read'],
  Theme: '',
  Title: '',
  DicomWebRoot: null,
  Custom: [],
})
