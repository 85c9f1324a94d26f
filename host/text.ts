/** Control characters, also those that turn the direction of text, become spaces; line ends stay. */
export function withoutControls(text: string): string {
  return text.replace(/[^\P{C}\n\t]/gu, ' ')
}
