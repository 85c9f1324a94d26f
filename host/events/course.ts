/** Longer texts are not looked through for a course: no browser sends such an address. */
const URL_CHARACTERS = 4000

/** `course-v1:org+course+run` or `ccx-v1:org+course+run+ccx@1`, in an address often percent-encoded. */
const NEW_KEY = /(?:course|ccx)-v1(?::|%3A)[^/?#&"'<>\\]+/i
/** `org/course/run`, which is told from other paths by standing after `/courses/`. */
const OLD_KEY = /\/courses\/([\w.%~-]+\/[\w.%~-]+\/[\w.%~-]+)(?:[/?#]|$)/

const IS_NEW_KEY = /^(?:course|ccx)-v1:[^+]+\+[^+]+\+.+$/

/** The course key of a text that is one: percent-encoding undone, trimmed; undefined where it is blank. */
export function courseKey(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined
  const key = decode(text).trim()
  if (key === '') return undefined
  // A plus sign that went through a form decoder came out as a space.
  return /^(?:course|ccx)-v1:/.test(key) ? key.replaceAll(' ', '+') : key
}

/** The key of the course that an address lies in, or undefined. */
export function courseOfUrl(url: unknown): string | undefined {
  if (typeof url !== 'string' || url.length > URL_CHARACTERS) return undefined
  const found = NEW_KEY.exec(url)?.[0]
  if (found !== undefined) {
    // An address inside an address is encoded as a whole: its next slash shows only now.
    const key = courseKey(found)?.split(/[/?#&]/)[0]
    if (key !== undefined && IS_NEW_KEY.test(key)) return key
  }
  return courseKey(OLD_KEY.exec(url)?.[1])
}

function decode(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
