/** What a user has chosen, kept by the browser. */
import { computed, shallowRef, watch, type WritableComputedRef } from 'vue'

import { offered } from './options'

/**
 * A value that outlives the page, under a key of its own.
 *
 * @param initial what holds until the user has chosen
 */
export function kept<T>(key: string, initial: () => T): WritableComputedRef<T> {
  const name = `orthanclite.${key}`
  const chosen = shallowRef<T | undefined>(read<T>(name))
  return computed({
    get: () => chosen.value ?? initial(),
    set: (value) => {
      chosen.value = value
      localStorage.setItem(name, JSON.stringify(value))
    },
  })
}

function read<T>(name: string): T | undefined {
  const stored = localStorage.getItem(name)
  try {
    return stored === null ? undefined : (JSON.parse(stored) as T)
  } catch {
    localStorage.removeItem(name)
    return undefined
  }
}

export type Theme = 'system' | 'light' | 'dark'
export const theme = kept<Theme>('theme', () => offered.Theme || 'system')
export const density = kept<'comfortable' | 'compact'>('density', () => 'comfortable')

watch(theme, (chosen) => (document.documentElement.dataset['theme'] = chosen), { immediate: true })
