/** Control characters, also those that turn the direction of text, become spaces; line ends stay. */
export function withoutControls(text: string): string {
  return text.replace(/[^\P{C}\n\t]/gu, ' ')
}

/** A number as people read it: `12,345`. */
export function count(n: number): string {
  return n.toLocaleString('en')
}

/** So many of something: `1 event`, `12,345 events`. */
export function amount(n: number, unit: string): string {
  return `${count(n)} ${unit}${n === 1 ? '' : 's'}`
}
