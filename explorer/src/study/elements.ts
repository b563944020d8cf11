import type { Element } from '@/api/resources'

/** Whether an element, or one inside of it, has a text (in small letters) in its tag, name or value. */
export function matches(tag: string, element: Element, wanted: string): boolean {
  if (wanted === '' || tag.includes(wanted) || element.Name.toLowerCase().includes(wanted)) return true
  if (Array.isArray(element.Value)) {
    return element.Value.some((item) => Object.entries(item).some(([below, one]) => matches(below, one, wanted)))
  }
  return (element.Value ?? '').toLowerCase().includes(wanted)
}
