/** Pages fetched while nothing else is to do, so that they open at once, and without the server. */
import type { Router } from 'vue-router'

const LARGE = ['viewer'] // fetched when it is opened

/** Resolves when there is something else to look at than pictures, which have the line for themselves. */
async function withoutPictures(router: Router): Promise<void> {
  const isLarge = () => LARGE.includes(String(router.currentRoute.value.name))
  while (isLarge()) {
    await new Promise<void>((resolve) => {
      const stop = router.afterEach(() => {
        stop()
        resolve()
      })
    })
  }
}

export async function preload(router: Router): Promise<void> {
  await withoutPictures(router)
  for (const route of router.getRoutes()) {
    const loader = route.components?.['default']
    if (typeof loader !== 'function' || LARGE.includes(String(route.name))) continue
    await (loader as () => Promise<unknown>)().catch(() => undefined) // fetched when it is opened, then
  }
}
