import type { ManifestEndpoint } from './manifest.ts'
import type { SourceMap } from './source-map.ts'

const MAX_CHARACTERS = 500

/**
 * The TSDoc comments of endpoints, as plain text, by name: a comment counts that stands directly before
 * `export const NAME` in the file where the endpoint was written. Endpoints without one are left out.
 */
export function describeEndpoints(
  map: SourceMap,
  endpoints: readonly Pick<ManifestEndpoint, 'name' | 'source'>[],
): Map<string, string> {
  const files = new Map<string, Map<string, string>>()
  const found = new Map<string, string>()
  for (const { name, source } of endpoints) {
    let comments = files.get(source)
    if (comments === undefined) {
      comments = exportComments(map.contents[map.sources.indexOf(source)] ?? '')
      files.set(source, comments)
    }
    const description = comments.get(name)
    if (description !== undefined) found.set(name, description)
  }
  return found
}

/** The comments before the exports of a source, by the export's name. Linear in the length of the text. */
function exportComments(source: string): Map<string, string> {
  const comments = new Map<string, string>()
  const declaration = /\s*export\s+(?:const|let|var|function|async\s+function)\s+([A-Za-z_$][\w$]*)/y
  let from = 0
  for (let close = source.indexOf('*/'); close !== -1; close = source.indexOf('*/', from)) {
    const before = source.slice(from, close)
    from = close + 2
    declaration.lastIndex = from
    const name = declaration.exec(source)?.[1]
    const open = before.lastIndexOf('/**')
    if (name === undefined || open === -1) continue
    const text = plainText(before.slice(open + 3))
    if (text !== '') comments.set(name, text)
  }
  return comments
}

/** Without stars, tags and line breaks: the first paragraphs, up to a `@tag`. */
function plainText(comment: string): string {
  const text: string[] = []
  let length = 0
  for (const line of comment.slice(0, 10 * MAX_CHARACTERS).split('\n')) {
    const bare = line.replace(/^[ \t]*\*?/, '').trim()
    if (bare.startsWith('@') || length > MAX_CHARACTERS) break
    if (bare !== '') text.push(bare)
    length += bare.length + 1
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a description is shown in pages and terminals
  const plain = text.join(' ').replace(/[\u0000-\u001f\u007f]/g, ' ')
  return plain.length <= MAX_CHARACTERS ? plain : `${plain.slice(0, MAX_CHARACTERS - 1).trimEnd()}…`
}
