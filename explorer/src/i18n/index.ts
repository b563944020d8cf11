/** Texts in the user's language. English comes with the page, the others when they are chosen. */
import { computed, watch } from 'vue'
import { createI18n } from 'vue-i18n'

import { offered } from '../options'
import { kept } from '../settings'
import en from './en.json'

export const LANGUAGES = { en: 'English', de: 'Deutsch', es: 'Español', fr: 'Français' } as const
export type Language = keyof typeof LANGUAGES

const loaders: Record<Exclude<Language, 'en'>, () => Promise<{ default: typeof en }>> = {
  de: () => import('./de.json'),
  es: () => import('./es.json'),
  fr: () => import('./fr.json'),
}

function isLanguage(name: string): name is Language {
  return name in LANGUAGES
}

/** The languages that the server lets users choose. */
export const offeredLanguages = computed<Language[]>(() => {
  const found = offered.UiOptions.AvailableLanguages.filter(isLanguage)
  return found.length > 0 ? found : ['en']
})

function preferred(): Language {
  const wanted = [offered.UiOptions.DefaultLanguage ?? '', ...navigator.languages.map((name) => name.slice(0, 2))]
  const choice = offeredLanguages.value
  return wanted.filter(isLanguage).find((name) => choice.includes(name)) ?? choice[0] ?? 'en'
}

const chosen = kept<Language>('language', preferred)
export const language = computed({
  get: () => (offeredLanguages.value.includes(chosen.value) ? chosen.value : preferred()),
  set: (name) => (chosen.value = name),
})
/** The chosen language as it is used where the user lives, for dates and numbers. */
export const locale = computed(() => navigator.languages.find((name) => name.startsWith(language.value)) ?? language.value)

export const i18n = createI18n({ legacy: false, locale: 'en', fallbackLocale: 'en', messages: { en } })

watch(
  language,
  async (wanted) => {
    if (wanted !== 'en') {
      const texts = await loaders[wanted]()
      i18n.global.setLocaleMessage(wanted as 'en', texts.default)
    }
    i18n.global.locale.value = wanted as 'en'
    document.documentElement.lang = wanted
  },
  { immediate: true },
)
