import { VueQueryPlugin, QueryClient } from '@tanstack/vue-query'
import { createApp } from 'vue'

import { ServerError } from './api/client'
import App from './App.vue'
import { i18n } from './i18n'
import { router } from './router'
import './styles/tokens.css'
import './styles/base.css'

// Requests are made whatever the browser thinks of its connection: the server may be on this machine.
// What the server has refused (4xx) it would refuse again.
const isRefusal = (error: Error) => error instanceof ServerError && error.status >= 400 && error.status < 500
const retry = (failures: number, error: Error) => failures < 1 && !isRefusal(error)

const queryClient = new QueryClient({
  defaultOptions: { queries: { networkMode: 'always', staleTime: 15_000, retry, refetchOnWindowFocus: false } },
})

createApp(App).use(VueQueryPlugin, { queryClient }).use(i18n).use(router).mount('#app')
