/** The studies that a search finds: counted at once, and fetched by pages as they come into view. */
import { keepPreviousData, useQueries, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed, onUnmounted, ref, type Ref } from 'vue'

import { get } from '@/api/client'
import { count, find, type Resource } from '@/api/resources'

import { REQUESTED_TAGS } from './columns'
import { conditions, order, type Search } from './search'

const PAGE = 100
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

function page(search: Search, number: number, signal?: AbortSignal) {
  const slice = { Since: number * PAGE, Limit: PAGE, OrderBy: order(search.sort), RequestedTags: [...REQUESTED_TAGS] }
  return find(conditions(search), slice, signal)
}

export function useStudies(search: Ref<Search>) {
  const client = useQueryClient()
  const first = ref(0)
  const last = ref(0)

  const total = useQuery({
    queryKey: computed(() => ['studies', 'count', conditions(search.value)]),
    queryFn: ({ signal }) => count(conditions(search.value), signal),
    placeholderData: keepPreviousData,
  })

  const numbers = computed(() => {
    const from = Math.floor(first.value / PAGE)
    const to = Math.floor(last.value / PAGE)
    return Array.from({ length: to - from + 1 }, (_, index) => from + index)
  })
  const pages = useQueries({
    queries: computed(() =>
      numbers.value.map((number) => ({
        queryKey: ['studies', 'page', search.value, number],
        queryFn: ({ signal }: { signal: AbortSignal }) => page(search.value, number, signal),
        placeholderData: keepPreviousData<Resource[]>,
      })),
    ),
  })

  /** The study in a row; undefined while it is being fetched. */
  function row(index: number): Resource | undefined {
    const position = numbers.value.indexOf(Math.floor(index / PAGE))
    return pages.value[position]?.data?.[index % PAGE]
  }

  /** Tell which rows are in view. */
  function show(from: number, to: number): void {
    first.value = Math.max(0, from)
    last.value = Math.max(first.value, to)
  }

  async function all(): Promise<Resource[]> {
    const slice = { Limit: MOST_OF_CSV, OrderBy: order(search.value.sort), RequestedTags: [...REQUESTED_TAGS] }
    return find(conditions(search.value), slice)
  }

  const refresh = () => client.invalidateQueries({ queryKey: ['studies'] })
  onChanges(() => void refresh())

  const error = computed(() => total.error.value ?? pages.value.find((one) => one.error)?.error ?? null)
  const isPending = computed(() => total.isPending.value || (pages.value[0]?.isPending ?? true))
  return { total: computed(() => total.data.value ?? 0), row, show, all, refresh, error, isPending }
}
