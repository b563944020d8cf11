/** Pages fetched while nothing else is to do, so that they open at once, and without the server. */
import type { Router } from 'vue-router'

const LARGE = ['viewer'] // fetched when it is opened

export async function preload(router: Router): Promise<void> {
  for (const route of router.getRoutes()) {
    const loader = route.components?.['default']
    if (typeof loader !== 'function' || LARGE.includes(String(route.name))) continue
    await (loader as () => Promise<unknown>)().catch(() => undefined) // fetched when it is opened, then
  }
}
