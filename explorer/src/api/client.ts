/** Requests to the server that the page came from, and its errors. */

import { ref } from 'vue'

/** The root of the REST API: the page stands at `<root>/ui/app/`, whatever path or proxy is before it. */
export const ROOT = new URL('../../', document.baseURI)

/** An answer of the server that is no success, or no answer at all (status 0). */
export class ServerError extends Error {
  constructor(
    readonly status: number,
    readonly details: string,
  ) {
    super(details)
    this.name = 'ServerError'
  }

  /** Whether the server could not be reached: by the browser, or by a proxy before it (RFC 9110, 15.6.3, 15.6.5). */
  get isUnreachable(): boolean {
    return [0, 502, 504].includes(this.status)
  }
}

/** The address of a path of the API. */
export function address(path: string): string {
  return new URL(path, ROOT).href
}

interface ErrorBody {
  Details?: string
  Message?: string
}

async function failure(response: Response): Promise<ServerError> {
  const text = await response.text().catch(() => '')
  try {
    const body = JSON.parse(text) as ErrorBody
    return new ServerError(response.status, body.Details || body.Message || '')
  } catch {
    return new ServerError(response.status, '') // no body that tells more
  }
}

/** Whether the last request found no server. */
export const isAway = ref(false)

/** A request; everything but a success is thrown as a {@link ServerError}. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(address(path), init)
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    isAway.value = true
    throw new ServerError(0, String(error))
  }
  const problem = response.ok ? null : await failure(response)
  isAway.value = problem?.isUnreachable ?? false
  if (problem) throw problem
  return response
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request(path, signal ? { signal } : {})).json() as Promise<T>
}

export async function getText(path: string): Promise<string> {
  return (await request(path)).text()
}

/** POST of JSON; the answer is JSON, or nothing. */
export async function post<T>(path: string, body: unknown = {}, signal?: AbortSignal): Promise<T> {
  return send<T>('POST', path, JSON.stringify(body), signal)
}

/** PUT of JSON, or of text as it is. */
export async function put(path: string, body: unknown = ''): Promise<void> {
  await send('PUT', path, typeof body === 'string' ? body : JSON.stringify(body))
}

export async function remove(path: string): Promise<void> {
  await request(path, { method: 'DELETE' })
}

async function send<T>(method: string, path: string, body: string, signal?: AbortSignal): Promise<T> {
  const response = await request(path, { method, body, ...(signal ? { signal } : {}) })
  const text = await response.text()
  return (text ? JSON.parse(text) : undefined) as T
}
