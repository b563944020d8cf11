import { VueQueryPlugin, QueryClient } from '@tanstack/vue-query'
import { createApp } from 'vue'

import App from './App.vue'
import { i18n } from './i18n'
import { router } from './router'
import './styles/tokens.css'
import './styles/base.css'

// Requests are made whatever the browser thinks of its connection: the server may be on this machine.
const queryClient = new QueryClient({
  defaultOptions: { queries: { networkMode: 'always', staleTime: 15_000, retry: 1, refetchOnWindowFocus: false } },
})

createApp(App).use(VueQueryPlugin, { queryClient }).use(i18n).use(router).mount('#app')
