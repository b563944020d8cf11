import { VueQueryPlugin, QueryClient } from '@tanstack/vue-query'
import { createApp } from 'vue'

import { ServerError } from './api/client'
import { offer } from './api/system'
import App from './App.vue'
import { i18n } from './i18n'
import { failed } from './notices'
import { offered, type Offered } from './options'
import { preload } from './preload'
import { router } from './router'
import './styles/tokens.css'
import './styles/base.css'

// What the server has refused (4xx) it would refuse again.
const isRefusal = (error: Error) => error instanceof ServerError && error.status >= 400 && error.status < 500
const retry = (failures: number, error: Error) => failures < 1 && !isRefusal(error)

// Requests are made whatever the browser thinks of its connection: the server may be on this machine.
const queryClient = new QueryClient({
  defaultOptions: { queries: { networkMode: 'always', staleTime: 15_000, retry, refetchOnWindowFocus: false } },
})

// A page whose files do not come: the server is away, or has been updated.
router.onError((error) => failed(error instanceof TypeError ? new ServerError(0, error.message) : error))

const ASK_AGAIN_AFTER = 5000 // ms

/** Take what the configuration gives in place of the pages' own style and icon. */
function takeCustom({ Custom }: Offered): void {
  if (Custom.includes('custom-style')) {
    const style = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: 'custom-style' })
    document.head.append(style) // after the pages' own, whose rules it may change
  }
  const icon = document.querySelector<HTMLLinkElement>('link[rel=icon]')
  if (icon && Custom.includes('custom-icon')) {
    icon.removeAttribute('type')
    icon.href = 'custom-icon'
  }
}

/** Learn what the server offers. Without an answer the pages are shown, too, and tell what is wrong. */
async function learn(): Promise<void> {
  await offer().then(
    (told) => takeCustom(Object.assign(offered, told)),
    () => setTimeout(() => void learn(), ASK_AGAIN_AFTER),
  )
}

void learn().then(() => {
  createApp(App).use(VueQueryPlugin, { queryClient }).use(i18n).use(router).mount('#app')
  void router.isReady().then(() => (window.requestIdleCallback ?? setTimeout)(() => void preload(router)))
})
