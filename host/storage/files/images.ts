const at = (offset: number, text: string) => (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(
    'latin1',
    offset,
    offset + text.length,
  ) === text

/** Raster images by their first bytes. SVG is none: it is a document that runs scripts. */
const IMAGES: readonly (readonly [type: string, ...marks: ((bytes: Uint8Array) => boolean)[]])[] = [
  ['image/png', at(0, '\x89PNG\r\n\x1a\n')],
  ['image/jpeg', at(0, '\xff\xd8\xff')],
  ['image/gif', at(0, 'GIF87a')],
  ['image/gif', at(0, 'GIF89a')],
  ['image/webp', at(0, 'RIFF'), at(8, 'WEBP')],
  ['image/avif', at(4, 'ftypavif')],
]

/** Types that a browser may be told of what it only keeps. */
const KEPT: ReadonlySet<string> = new Set([
  'text/plain',
  'text/markdown',
  'text/csv',
  'text/tab-separated-values',
  'application/json',
  'application/x-ndjson',
  'application/pdf',
  'application/zip',
  'application/gzip',
])

/**
 * How a browser gets a file: an image as what its bytes say that it is, to be shown; anything else to be kept.
 * @param type what the author said
 * @param start the first bytes
 */
export function shownAs(
  type: string,
  start: Uint8Array,
): { readonly type: string; readonly inline: boolean } {
  const image = IMAGES.find(([, ...marks]) => marks.every((mark) => mark(start)))
  if (image !== undefined) return { type: image[0], inline: true }
  if (!KEPT.has(type)) return { type: 'application/octet-stream', inline: false }
  return { type: type.startsWith('text/') ? `${type}; charset=utf-8` : type, inline: false }
}
