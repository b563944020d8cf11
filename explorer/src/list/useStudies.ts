/** The studies that a search finds: counted at once, and fetched by pages as they come into view. */
import { useQueries, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed, onUnmounted, ref, shallowRef, watchEffect, type Ref } from 'vue'

import { get } from '@/api/client'
import { count, find, type Resource } from '@/api/resources'
import { offered } from '@/options'

import { requestedTags } from './columns'
import { conditions, isEmpty, order, type Search } from './search'

const PAGE = 100 // studies
const AHEAD = 500 // studies where the list is scrolling to, which are fetched before they are in view
const KEPT = 30_000 // ms for pages out of view: who scrolls through a million does not keep them all
const LOOK_FOR_CHANGES = 5000 // ms
const MOST_OF_CSV = 10_000 // studies

interface Changes {
  Last: number
}

/** Call back when the server has logged a change. */
function onChanges(callback: () => void): void {
  let last: number | undefined
  async function look(): Promise<void> {
    if (document.hidden) return
    const now = await get<Changes>('changes?last').then(
      (changes) => changes.Last,
      () => last, // another request tells that the server is away
    )
    if (last !== undefined && now !== last) callback()
    last = now
  }
  const timer = setInterval(() => void look(), LOOK_FOR_CHANGES)
  void look()
  onUnmounted(() => clearInterval(timer))
}

/** Whether nothing is shown before anything is searched for. */
export function isUnasked(search: Search): boolean {
  return isEmpty(search) && offered.UiOptions.StudyListContentIfNoSearch === 'empty'
}

async function page(search: Search, number: number, signal?: AbortSignal): Promise<Resource[]> {
  if (isUnasked(search)) return []
  const slice = { Since: number * PAGE, Limit: PAGE, OrderBy: order(search.sort), RequestedTags: requestedTags() }
  return find(conditions(search), slice, signal)
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index)
}

/** What the list shows: of one search, whole. */
interface Shown {
  search: Search | null
  total: number
  pages: ReadonlyMap<number, Resource[]>
}

export function useStudies(search: Ref<Search>) {
  const client = useQueryClient()
  const first = ref(0)
  const last = ref(0)
  const isUpwards = ref(false)

  const total = useQuery({
    queryKey: computed(() => ['studies', 'count', conditions(search.value)]),
    queryFn: async ({ signal }) => (isUnasked(search.value) ? 0 : count(conditions(search.value), signal)),
  })

  // The rows of the search before stand until those of the new one are there, so that nothing flickers.
  const shown = shallowRef<Shown>({ search: null, total: 0, pages: new Map() })

  const isAsking = computed(() => shown.value.search !== search.value)

  // Pages in view come first; those ahead wait for the first answer to a search.
  const numbers = computed(() => {
    const inView = range(Math.floor(first.value / PAGE), Math.floor(last.value / PAGE))
    if (isAsking.value) return inView
    const end = Math.floor(((total.data.value ?? 0) - 1) / PAGE)
    const ahead = isUpwards.value
      ? range(Math.floor(Math.max(0, first.value - AHEAD) / PAGE), (inView[0] ?? 0) - 1).reverse()
      : range((inView.at(-1) ?? 0) + 1, Math.min(end, Math.floor((last.value + AHEAD) / PAGE)))
    return [...inView, ...ahead]
  })
  const pages = useQueries({
    queries: computed(() =>
      numbers.value.map((number) => ({
        queryKey: ['studies', 'page', search.value, number],
        queryFn: ({ signal }: { signal: AbortSignal }) => page(search.value, number, signal),
        gcTime: KEPT,
      })),
    ),
  })

  watchEffect(() => {
    const found = new Map<number, Resource[]>()
    numbers.value.forEach((number, position) => {
      const data = pages.value[position]?.data
      if (data) found.set(number, data)
    })
    const isInView = [first.value, last.value].every((index) => found.has(Math.floor(index / PAGE)))
    const counted = total.data.value
    if (counted === undefined || !(isInView || shown.value.search === search.value)) return
    shown.value = { search: search.value, total: counted, pages: found }
  })

  /** The study in a row; undefined while it is being fetched. */
  function row(index: number): Resource | undefined {
    return shown.value.pages.get(Math.floor(index / PAGE))?.[index % PAGE]
  }

  /** Tell which rows are in view, and where the list is scrolling to. */
  function show(from: number, to: number, upwards: boolean): void {
    first.value = Math.max(0, from)
    last.value = Math.max(first.value, to)
    isUpwards.value = upwards
  }

  async function all(): Promise<Resource[]> {
    const slice = { Limit: MOST_OF_CSV, OrderBy: order(search.value.sort), RequestedTags: requestedTags() }
    return find(conditions(search.value), slice)
  }

  const refresh = () => client.invalidateQueries({ queryKey: ['studies'] })
  onChanges(() => void refresh())

  const error = computed(() => total.error.value ?? pages.value.find((one) => one.error)?.error ?? null)
  const isPending = computed(() => shown.value.search === null)
  return { total: computed(() => shown.value.total), row, show, all, refresh, error, isPending, isAsking }
}
