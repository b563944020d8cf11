/** The placeholders in tags that the configuration gives for the form of something new. */

function two(value: number): string {
  return String(value).padStart(2, '0')
}

/** A day as DA (PS3.5 6.2). */
export function dicomDay(day: Date): string {
  return `${day.getFullYear()}${two(day.getMonth() + 1)}${two(day.getDate())}`
}

/** A time as TM. */
export function dicomTime(at: Date): string {
  return two(at.getHours()) + two(at.getMinutes()) + two(at.getSeconds())
}

/** A UID made of a UUID (PS3.5 B.2). */
export function newUid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40 // version 4 (RFC 9562)
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return `2.25.${BigInt(`0x${[...bytes].map((one) => one.toString(16).padStart(2, '0')).join('')}`)}`
}

/**
 * A text with its placeholders replaced: `$TODAY$`, `$NOW$`, `$NOW-5$` (minutes ago), `$GENERATE_DICOM_UUID$`, and
 * those that are given, by their names without `$`.
 */
export function resolved(text: string, now: Date, further: Readonly<Record<string, string>> = {}): string {
  return text.replaceAll(/\$([A-Z_]+)(?:-(\d+))?\$/g, (whole, name: string, minutes: string | undefined) => {
    if (name in further) return further[name] ?? ''
    if (name === 'TODAY') return dicomDay(now)
    if (name === 'NOW') return dicomTime(new Date(now.getTime() - Number(minutes ?? 0) * 60_000))
    return name === 'GENERATE_DICOM_UUID' ? newUid() : whole
  })
}
