import { describe, expect, it } from 'vitest'

import de from '@/i18n/de.json'
import en from '@/i18n/en.json'
import es from '@/i18n/es.json'
import fr from '@/i18n/fr.json'

type Texts = { [key: string]: string | Texts }

function flat(texts: Texts, before = ''): [string, string][] {
  return Object.entries(texts).flatMap(([key, value]) =>
    typeof value === 'string' ? [[before + key, value] as [string, string]] : flat(value, `${before}${key}.`),
  )
}

const holes = (text: string) => [...text.matchAll(/\{\w+\}/g)].map((match) => match[0]).toSorted()
const forms = (text: string) => text.split('|').length

describe.each(Object.entries({ de, es, fr }))('%s', (_, texts) => {
  const translated = new Map(flat(texts))

  it('has every text of the English one, and no other', () => {
    expect([...translated.keys()].toSorted()).toEqual(flat(en).map(([key]) => key).toSorted())
  })

  it.each(flat(en))('%s has the same places for values and forms', (key, english) => {
    expect(holes(translated.get(key) ?? '')).toEqual(holes(english))
    expect(forms(translated.get(key) ?? '')).toBe(forms(english))
  })
})
