import { styleText } from 'node:util'
import { withoutControls } from '../host/text.ts'

/** Text from a host, a plugin or a file on its way to the terminal, which it must not steer. */
export const printable = withoutControls

/** The same on one line. */
export function onOneLine(text: string): string {
  return withoutControls(text).replace(/\s+/g, ' ').trim()
}

/** A text that is a file's content: a program or a file gets it as it is, a terminal what cannot steer it. */
export function forStdout(text: string): string {
  return process.stdout.isTTY ? withoutControls(text) : text
}

/** Colour on stdout, where it is a terminal and NO_COLOR is not set. */
export function paint(style: Parameters<typeof styleText>[0], text: string): string {
  return styleText(style, text, { stream: process.stdout })
}

/** One JSON document, or one line of NDJSON, on stdout. */
export function printJson(value: unknown): void {
  console.log(jsonLine(value))
}

/** JSON in which what could steer a terminal is escaped: the same value to whoever parses it. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(/[^\P{C}]/gu, (control) =>
    Array.from(
      { length: control.length },
      (_, n) => `\\u${control.charCodeAt(n).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
}

/** Tells a person something beside the result, which alone is on stdout. */
export function note(text: string): void {
  console.error(text)
}

/** Whether there is somebody to answer a question. */
export function isInteractive(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY
}

/**
 * The columns of the terminal, where that does not know its size as many as most have; undefined where stdout is none,
 * so that nothing is cut for a program or a file.
 */
export function columnsOf(
  stream: { isTTY?: boolean; columns?: number } = process.stdout,
): number | undefined {
  return stream.isTTY === true ? stream.columns || 80 : undefined
}

/** Asks on stderr; anything but yes is no. */
export async function confirm(question: string): Promise<boolean> {
  const { createInterface } = await import('node:readline/promises')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  // Readline takes Ctrl-C from the terminal; without this the command would go on with a "no".
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  // Where the terminal goes away there is no answer to wait for.
  const gone = new Promise<string>((resolve) => lines.once('close', () => resolve('')))
  try {
    const answer = await Promise.race([lines.question(`${question} [y/N] `), gone])
    return /^y(?:es)?$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}
