/** Copying texts, and telling so. */
import { i18n } from './i18n'
import { done, failed } from './notices'

/** Have the browser copy a text. */
export async function copy(text: string): Promise<void> {
  try {
    if (window.isSecureContext) await navigator.clipboard.writeText(text)
    else copyByCommand(text)
    done(i18n.global.t('study.copied'))
  } catch (error) {
    failed(error)
  }
}

/** For pages that came over plain HTTP, where browsers have no clipboard. */
function copyByCommand(text: string): void {
  const area = document.createElement('textarea')
  area.value = text
  document.body.append(area)
  area.select()
  const isCopied = document.execCommand('copy')
  area.remove()
  if (!isCopied) throw new Error(text) // at least it is shown
}
