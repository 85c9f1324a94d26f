/** Where an interpolation stands in the markup, as far as it decides what is safe there. */
export type Hole =
  /** Between tags. */
  | { readonly place: 'text' }
  /** Inside a quoted attribute. */
  | { readonly place: 'value' }
  /** Where an attribute's name would stand: only markup may go there. */
  | { readonly place: 'attribute' }
  /** Inside a quoted attribute that holds an address, with the text around it, up to the next hole or quote. */
  | {
      readonly place: 'address'
      readonly before: string
      readonly after: string
      readonly continues: boolean
    }

type State =
  | 'text'
  | 'comment'
  | 'tagName'
  | 'inTag'
  | 'attributeName'
  | 'beforeValue'
  | 'single'
  | 'double'
  | 'unquoted'
  | 'rawText'

const ADDRESSES = new Set([
  'href',
  'src',
  'action',
  'formaction',
  'xlink:href',
  'poster',
  'cite',
  'background',
  'data',
])
const RAW_TEXT = new Set(['script', 'style', 'iframe', 'noscript', 'noembed', 'noframes', 'xmp', 'plaintext'])

const NAMELESS = 'html: a value cannot be (part of) the name of a tag or an attribute. Write the name out.'

/** One scan per template, however often it is filled. */
const scanned = new WeakMap<TemplateStringsArray, readonly Hole[]>()

/**
 * The holes of a template, in order.
 * @throws TypeError where an interpolation stands in a place that escaping cannot make safe.
 */
export function holesOf(strings: TemplateStringsArray): readonly Hole[] {
  const known = scanned.get(strings)
  if (known !== undefined) return known
  const holes = scan(strings)
  scanned.set(strings, holes)
  return holes
}

function scan(strings: readonly string[]): Hole[] {
  const scanner = new Scanner()
  const holes: Hole[] = []
  for (let index = 0; index < strings.length - 1; index++) {
    scanner.read(strings[index] ?? '')
    holes.push(scanner.hole(strings[index + 1] ?? ''))
  }
  return holes
}

/** Follows a browser's tokenizer closely enough to know where it stands. */
class Scanner {
  #state: State = 'text'
  #tag = ''
  #closing = false
  #attribute = ''
  #value = ''
  #continues = false
  #tail = ''

  read(text: string): void {
    for (const character of text) this.#step(character)
  }

  hole(next: string): Hole {
    if (this.#state === 'attributeName' && this.#tail === ' ') this.#enter('inTag')
    const named = this.#state === 'text' && /<[/!?]?-?$/.test(this.#tail)
    this.#tail = ''
    if (named) throw new TypeError(NAMELESS)
    switch (this.#state) {
      case 'text':
      case 'comment':
        return { place: 'text' }
      case 'inTag':
        return { place: 'attribute' }
      case 'single':
      case 'double':
        return this.#quoted(next)
      case 'rawText':
        throw new TypeError(
          `html: a value cannot stand inside <${this.#tag}>, where escaping does not protect. ` +
            'Put it into an attribute such as data-value="${…}" and read it from there.',
        )
      case 'beforeValue':
      case 'unquoted':
        throw new TypeError(
          `html: the attribute ${this.#attribute} needs quotes around its value: ${this.#attribute}="\${…}".`,
        )
      case 'tagName':
      case 'attributeName':
        throw new TypeError(NAMELESS)
    }
  }

  #quoted(next: string): Hole {
    const name = this.#attribute
    if (name.startsWith('on') || name === 'srcdoc')
      throw new TypeError(
        `html: a value cannot stand inside ${name}, which the browser runs as code. ` +
          'Put it into an attribute such as data-value="${…}" and read it from there.',
      )
    if (!ADDRESSES.has(name)) return { place: 'value' }
    const quote = next.indexOf(this.#state === 'single' ? "'" : '"')
    const after = quote === -1 ? next : next.slice(0, quote)
    const hole: Hole = { place: 'address', before: this.#value, after, continues: this.#continues }
    this.#value = ''
    this.#continues = true
    return hole
  }

  #step(character: string): void {
    const space = /[\t\n\f\r ]/.test(character)
    switch (this.#state) {
      case 'text':
        this.#tail = (this.#tail + character).slice(-4)
        if (this.#tail === '<!--') this.#enter('comment')
        else if (/<\/?[a-zA-Z]$/.test(this.#tail)) {
          this.#closing = this.#tail.at(-2) === '/'
          this.#tag = character.toLowerCase()
          this.#enter('tagName')
        }
        return
      case 'comment':
        this.#tail = (this.#tail + character).slice(-4)
        if (this.#tail.endsWith('-->') || this.#tail === '--!>') this.#enter('text')
        return
      case 'rawText':
        this.#tail = (this.#tail + character.toLowerCase()).slice(-(this.#tag.length + 2))
        if (this.#tail === `</${this.#tag}`) {
          this.#closing = true
          this.#enter('tagName')
        }
        return
      case 'tagName':
        if (character === '>') this.#endTag()
        else if (space || character === '/') this.#enter('inTag')
        else this.#tag += character.toLowerCase()
        return
      case 'inTag':
        if (character === '>') this.#endTag()
        else if (!space && character !== '/') {
          this.#attribute = character.toLowerCase()
          this.#enter('attributeName')
        }
        return
      case 'attributeName':
        if (character === '=') this.#enter('beforeValue')
        else if (character === '>') this.#endTag()
        else if (character === '/') this.#enter('inTag')
        // After a space an `=` may still follow, and then the name is the same one.
        else if (space) this.#tail = ' '
        else if (this.#tail === ' ') {
          this.#attribute = character.toLowerCase()
          this.#tail = ''
        } else this.#attribute += character.toLowerCase()
        return
      case 'beforeValue':
        if (character === '>') this.#endTag()
        else if (character === '"' || character === "'") {
          this.#value = ''
          this.#continues = false
          this.#enter(character === '"' ? 'double' : 'single')
        } else if (!space) this.#enter('unquoted')
        return
      case 'single':
      case 'double':
        if (character === (this.#state === 'double' ? '"' : "'")) this.#enter('inTag')
        else this.#value += character
        return
      case 'unquoted':
        if (character === '>') this.#endTag()
        else if (space) this.#enter('inTag')
        return
    }
  }

  #enter(state: State): void {
    this.#state = state
    this.#tail = ''
  }

  #endTag(): void {
    this.#enter(!this.#closing && RAW_TEXT.has(this.#tag) ? 'rawText' : 'text')
  }
}
