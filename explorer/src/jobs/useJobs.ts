/** All jobs, as fresh as the server's stream of events makes them. */
import { useQuery, useQueryClient } from '@tanstack/vue-query'
import { useThrottleFn } from '@vueuse/core'
import { computed } from 'vue'

import { jobs, listen } from '@/api/jobs'

const AT_MOST_EVERY = 500 // ms
let stop: (() => void) | undefined

export function useJobs() {
  const client = useQueryClient()
  const { data, error } = useQuery({ queryKey: ['jobs'], queryFn: jobs, staleTime: 1000 })
  // One stream for all who show jobs: it lasts as long as the page.
  stop ??= listen(useThrottleFn(() => void client.invalidateQueries({ queryKey: ['jobs'] }), AT_MOST_EVERY, true, true))
  const newestFirst = computed(() =>
    (data.value ?? []).toSorted((a, b) => b.CreationTime.localeCompare(a.CreationTime)),
  )
  const running = computed(() => newestFirst.value.filter((job) => ['Pending', 'Running', 'Retry'].includes(job.State)).length)
  return { jobs: newestFirst, running, error }
}
