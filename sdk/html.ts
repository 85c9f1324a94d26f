import { type Hole, holesOf } from './html-context.ts'

/** What a template may hold: text, numbers, other markup, and lists of them. Nothing, `null` and `false` print as ''. */
export type HtmlValue =
  | Html
  | string
  | number
  | bigint
  | boolean
  | Date
  | null
  | undefined
  | readonly HtmlValue[]

/** Markup that is safe to show as it is, because {@link html} escaped what went into it. */
export class Html {
  readonly #markup: string

  constructor(markup: string) {
    this.#markup = markup
  }

  /** The markup. */
  toString(): string {
    return this.#markup
  }
}

const ENTITIES = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
])

/** Schemes that a link may have; an address without a scheme stays where it is. */
const SAFE_SCHEMES = new Set(['http', 'https', 'mailto', 'tel'])

/**
 * Markup from a template: every interpolation is escaped, lists are joined, and nested results of `html`
 * pass as they are.
 *
 * @example html`<ul>${videos.map((v) => html`<li>${v.name}</li>`)}</ul>`
 *
 * **Common mistake:** escaping cannot make every place safe. An interpolation inside `<script>` or `<style>`,
 * in an `onclick`, as an attribute's name or in an unquoted attribute throws a TypeError; a `javascript:`
 * link prints as `#`. A promise, a function or a plain object throws too: await it, call it, pick a field of it.
 */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  if (!Array.isArray(strings))
    throw new TypeError(
      'html stands right before a text in backquotes, without parentheses: html`<p>${name}</p>`. Markup that is a text already is html.raw(text), if nobody else wrote it.',
    )
  const holes = holesOf(strings)
  let markup = strings[0] ?? ''
  let address = ''
  for (const [index, hole] of holes.entries()) {
    const value = values[index]
    if (hole.place === 'address') {
      const text = plain(value)
      address = hole.continues ? address + hole.before : hole.before
      const kept = isSafeAddress(address + text + hole.after) ? text : '#'
      address += kept
      markup += escapeText(kept)
    } else {
      markup += print(value, hole)
    }
    markup += strings[index + 1] ?? ''
  }
  return new Html(markup)
}

/**
 * Markup that you vouch for: it is shown without escaping.
 *
 * **Common mistake:** passing something that came from an event or a parameter.
 */
html.raw = (markup: string): Html => new Html(String(markup))

function print(value: HtmlValue, hole: Hole): string {
  if (value instanceof Html) return hole.place === 'value' ? quote(value) : value.toString()
  if (isList(value)) return value.map((item) => print(item, hole)).join('')
  const text = plain(value)
  if (hole.place === 'attribute' && text !== '')
    throw new TypeError(
      `html: ${JSON.stringify(text.slice(0, 40))} stands where an attribute's name would. ` +
        'Write the attribute out, or pass markup: ${open ? html`open` : null}.',
    )
  return escapeText(text)
}

function plain(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return ''
  if (isList(value)) return value.map(plain).join('')
  if (value instanceof Date) return value.toISOString()
  const mistake = mistakeOf(value)
  if (mistake !== undefined) throw new TypeError(`html: ${mistake}`)
  return String(value)
}

/** What would print as "[object Object]" or as source text is nothing that anybody wants to show. */
function mistakeOf(value: unknown): string | undefined {
  if (typeof value === 'function') return 'a function was put into html: call it, and put in what it returns.'
  if (typeof value !== 'object' || value === null) return undefined
  if (value instanceof Promise) return 'a promise was put into html: await it first.'
  if ('toArray' in value)
    return 'a cursor was put into html: await its .toArray(), and .map() the rows to markup.'
  if ('toString' in value && value.toString !== Object.prototype.toString) return undefined
  return 'an object was put into html: put in one of its fields, or JSON.stringify(…) of it.'
}

function isList(value: HtmlValue): value is readonly HtmlValue[] {
  return Array.isArray(value)
}

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES.get(character) ?? character)
}

/** Markup inside an attribute: its entities stay, its tags show as text. */
function quote(value: Html): string {
  return value.toString().replace(/[<>"']/g, (character) => ENTITIES.get(character) ?? character)
}

function isSafeAddress(address: string): boolean {
  // Browsers drop these characters before they look for a scheme.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const bare = address.replace(/[\u0000-\u0020\u007f]/g, '')
  const scheme = /^([^/?#:]*):/.exec(bare)?.[1]
  if (scheme === undefined || SAFE_SCHEMES.has(scheme.toLowerCase())) return true
  return /^data:image\/(?:png|jpeg|gif|webp);/i.test(bare)
}
