/** How many studies each of several choices would find. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'

import { count } from '@/api/resources'

import { conditions, type Search } from './search'

const MOST = 50 // choices that are counted

/**
 * @param choices what may be chosen
 * @param chosen the search with a choice in it
 * @param isWanted whether they are counted, now
 */
export function useCounts(choices: Ref<readonly string[]>, chosen: (choice: string) => Search, isWanted: Ref<boolean>) {
  const searches = computed(() => choices.value.slice(0, MOST).map((choice) => conditions(chosen(choice))))
  const { data } = useQuery({
    queryKey: computed(() => ['studies', 'counts', searches.value]),
    queryFn: async ({ signal }) => {
      const counts = await Promise.all(searches.value.map((one) => count(one, signal)))
      return new Map(choices.value.map((choice, index) => [choice, counts[index]]))
    },
    enabled: isWanted,
    placeholderData: keepPreviousData,
  })
  return computed<ReadonlyMap<string, number | undefined>>(() => data.value ?? new Map())
}
