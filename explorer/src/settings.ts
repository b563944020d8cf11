/** What a user has chosen, kept by the browser. */
import { ref, watch, type Ref } from 'vue'

/** A value that outlives the page, under a key of its own. */
export function kept<T>(key: string, initial: T): Ref<T> {
  const name = `orthanclite.${key}`
  const stored = localStorage.getItem(name)
  let value = initial
  try {
    if (stored !== null) value = JSON.parse(stored) as T
  } catch {
    localStorage.removeItem(name)
  }
  const state = ref(value) as Ref<T>
  watch(state, (now) => localStorage.setItem(name, JSON.stringify(now)), { deep: true })
  return state
}

export type Theme = 'system' | 'light' | 'dark'
export const theme = kept<Theme>('theme', 'system')
export const density = kept<'comfortable' | 'compact'>('density', 'comfortable')

watch(
  [theme, density],
  () => {
    document.documentElement.dataset['theme'] = theme.value
    document.documentElement.dataset['density'] = density.value
  },
  { immediate: true },
)
