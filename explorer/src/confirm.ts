/** Asking before something that cannot be undone. */
import { ref } from 'vue'

export interface Question {
  title: string
  text: string
  action: string
}

interface Open extends Question {
  answer: (yes: boolean) => void
}

export const question = ref<Open | null>(null)

/** Ask, and wait for the answer. */
export function confirm(asked: Question): Promise<boolean> {
  question.value?.answer(false)
  return new Promise((resolve) => {
    question.value = {
      ...asked,
      answer: (yes) => {
        question.value = null
        resolve(yes)
      },
    }
  })
}
