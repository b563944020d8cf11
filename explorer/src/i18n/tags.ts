/** The names of DICOM tags. */
import { i18n } from '.'
import { offered } from '@/options'

/** The name of a tag in the user's language where there is one, else its keyword. */
export function tagName(keyword: string): string {
  const { t, te } = i18n.global
  const key = `tag.${keyword}`
  return offered.UiOptions.TranslateDicomTags && te(key, 'en') ? t(key) : keyword
}
