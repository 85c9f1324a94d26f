import { Html, html, ObjectId } from '@lyceum/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const hostile = `<script>alert("1" & '2')</script>`
const escaped = '&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;'

describe('html', () => {
  test('escapes text between tags and in attributes', () => {
    expect(String(html`<p title="${hostile}">${hostile}</p>`)).toBe(`<p title="${escaped}">${escaped}</p>`)
    expect(String(html`<p title='${hostile}'></p>`)).toBe(`<p title='${escaped}'></p>`)
  })

  test('that is called like a function says how it is written', () => {
    expect(() => Reflect.apply(html, undefined, ['<p>hi</p>'])).toThrow('without parentheses: html`<p>')
  })

  test('joins lists and lets nested results pass', () => {
    expect(String(html`<ul>${['a', '<b>'].map((item) => html`<li>${item}</li>`)}</ul>`)).toBe(
      '<ul><li>a</li><li>&lt;b&gt;</li></ul>',
    )
  })

  test('prints nothing for null, undefined and false, and numbers as they are', () => {
    expect(String(html`<p>${null}${undefined}${false}${[]}${0}${1n}${true}</p>`)).toBe('<p>01true</p>')
  })

  test.each([
    ['a promise', Promise.resolve(1), 'a promise was put into html: await it first'],
    ['a function', () => 1, 'a function was put into html: call it'],
    ['an object', { name: 'x' }, 'an object was put into html: put in one of its fields'],
    ['an object without a prototype', Object.create(null), 'an object was put into html'],
    ['a map', new Map(), 'an object was put into html'],
    ['a cursor', { toArray: async () => [] }, 'a cursor was put into html: await its .toArray()'],
  ])('%s is a mistake, wherever it is put', (_, value, message) => {
    expect(() => html`<p>${value}</p>`).toThrow(message)
    expect(() => html`<p>${['a', [value]]}</p>`).toThrow(message)
    expect(() => html`<p title="${value}"></p>`).toThrow(message)
    expect(() => html`<a href="/x/${value}">x</a>`).toThrow(message)
    expect(() => html`<p ${value}></p>`).toThrow(message)
  })

  test('an object that says how it is written is written so', () => {
    const id = new ObjectId('0123456789abcdef01234567')
    const written: object = { toString: () => '<x>' }
    expect(String(html`<p>${id as never}${written as never}</p>`)).toBe(
      '<p>0123456789abcdef01234567&lt;x&gt;</p>',
    )
  })

  test('prints a date in ISO form', () => {
    expect(String(html`${new Date(0)}`)).toBe('1970-01-01T00:00:00.000Z')
  })

  test('markup that its author vouches for passes as it is', () => {
    expect(String(html`<p>${html.raw('<b>x</b>')}</p>`)).toBe('<p><b>x</b></p>')
    expect(html.raw('')).toBeInstanceOf(Html)
  })

  test('markup inside an attribute cannot end it, and its entities stay', () => {
    expect(String(html`<p title="${html`a &amp; <b>"${'<'}"</b>`}"></p>`)).toBe(
      '<p title="a &amp; &lt;b&gt;&quot;&lt;&quot;&lt;/b&gt;"></p>',
    )
  })

  test('a template that is used again is filled anew', () => {
    const item = (name: string) => String(html`<a href="/${name}">${name}</a>`)
    expect([item('a'), item('b')]).toEqual(['<a href="/a">a</a>', '<a href="/b">b</a>'])
  })

  test('markup may stand for whole attributes, text may not', () => {
    const open = (flag: boolean) => String(html`<details ${flag ? html`open` : null}>x</details>`)
    expect([open(true), open(false)]).toEqual(['<details open>x</details>', '<details >x</details>'])
    expect(String(html`<input disabled ${html`checked`}>`)).toBe('<input disabled checked>')
    expect(() => html`<input ${'onclick=alert(1)'}>`).toThrow(/where an attribute's name would/)
  })
})

describe('html refuses places that escaping cannot make safe', () => {
  const x = 'x'
  test.each<[string, () => Html, RegExp]>([
    ['a script', () => html`<script>const a = "${x}"</script>`, /inside <script>.*data-value/],
    ['a script in capitals', () => html`<SCRIPT type="module">${x}</SCRIPT>`, /inside <script>/],
    ['a style', () => html`<style>p { color: ${x} }</style>`, /inside <style>/],
    ['a script after one that ended', () => html`<script></script><script>${x}</script>`, /inside <script>/],
    ['an attribute without quotes', () => html`<p title=${x}>`, /title needs quotes/],
    ['part of an attribute without quotes', () => html`<p title=a${x}>`, /title needs quotes/],
    ['an attribute with spaces around =', () => html`<p title = ${x}>`, /title needs quotes/],
    ['a handler of events', () => html`<p onclick="go('${x}')">`, /inside onclick, which the browser runs/],
    ['a handler in capitals', () => html`<p ONCLICK='${x}'>`, /inside onclick/],
    ['a document in an attribute', () => html`<iframe srcdoc="${x}"></iframe>`, /inside srcdoc/],
    ['the name of a tag', () => html`<${x}>`, /name of a tag/],
    ['the name of a closing tag', () => html`</${x}>`, /name of a tag/],
    ['part of the name of a tag', () => html`<h${x}>`, /name of a tag/],
    ['part of the name of an attribute', () => html`<p data-${x}="1">`, /name of a tag or an attribute/],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(TypeError)
    expect(make).toThrow(message)
  })

  test.each<[string, Html]>([
    ['after a script', html`<script>1 < 2</script><p>${hostile}`],
    ['after a comment', html`<!-- <script> --><p>${hostile}`],
    ['in a comment', html`<!-- ${hostile} -->`],
    ['after an attribute that looks like a tag', html`<p title="<script>">${hostile}`],
    ['after a comparison', html`1 < 2 ${hostile}`],
    ['after a tag that closes itself', html`<br/>${hostile}`],
  ])('but not %s', (_, result) => {
    expect(String(result)).toContain(escaped)
  })
})

describe('addresses', () => {
  const link = (address: string) => String(html`<a href="${address}">`)

  test.each([
    ['https://example.org/?a=1&b=2', 'https://example.org/?a=1&amp;b=2'],
    ['/files/a:b', '/files/a:b'],
    ['?t=10:30', '?t=10:30'],
    ['#a:b', '#a:b'],
    ['mailto:a@example.org', 'mailto:a@example.org'],
    ['data:image/png;base64,AA==', 'data:image/png;base64,AA=='],
  ])('%s stays', (address, shown) => {
    expect(link(address)).toBe(`<a href="${shown}">`)
  })

  test.each([
    'javascript:alert(1)',
    ' JavaScript:alert(1)',
    'java\tscript:alert(1)',
    '\u0001javascript:alert(1)',
    'vbscript:x',
    'data:text/html,<script>1</script>',
    'data:image/svg+xml,<svg onload="1">',
  ])('%j becomes #', (address) => {
    expect(link(address)).toBe('<a href="#">')
    expect(String(html`<img src='${address}'>`)).toBe("<img src='#'>")
  })

  test('pieces cannot be put together to a script', () => {
    const [a, b] = ['java', 'script:alert(1)']
    expect(String(html`<a href="${a}${b}">`)).toBe('<a href="java#">')
    expect(String(html`<a href="java${b}">`)).toBe('<a href="java#">')
    expect(String(html`<a href="${'javascript'}:alert(1)">`)).toBe('<a href="#:alert(1)">')
  })

  test('every attribute begins anew', () => {
    expect(String(html`<a href="${'https://a'}" title="x"></a><a href="${'javascript:1'}">`)).toBe(
      '<a href="https://a" title="x"></a><a href="#">',
    )
  })
})

test('no text can open a tag, end an attribute or begin a script, wherever it is allowed', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', 'javascript:', '"', "'", '<', '&#'),
      (text, before) => {
        const value = before + text
        const between = String(html`<p>${value}</p>`).slice(3, -4)
        expect(between).not.toMatch(/[<>"']/)
        const address = String(html`<a href="${value}">`).slice(9, -2)
        expect(address).not.toMatch(/[<>"']/)
        expect(address.toLowerCase()).not.toMatch(/^javascript:/)
      },
    ),
  )
})
