import { join } from 'node:path'
import { LyceumError } from '../host/errors.ts'
import type { Host } from '../host/host.ts'
import { explainError } from './code-frame.ts'

/**
 * An error as an author's program throws it: the message shows the author's line with the code around it, and the
 * stack leads into the author's files and then to where the program asked.
 *
 * @param error what the host refused; anything else is returned as it is
 * @param dirOf the folder of a plugin, where it is known
 * @param asked an error made where the program asked: its stack tells the place
 */
export async function authorError(
  host: Host,
  error: unknown,
  dirOf: (plugin: string | undefined) => string,
  asked?: Error,
): Promise<unknown> {
  if (!(error instanceof LyceumError)) return error
  const { code, message, details } = await host.explain(error, true)
  const dir = dirOf(typeof details?.plugin === 'string' ? details.plugin : undefined)
  const thrown = new LyceumError(code, await explainError({ message, details }, dir), details)
  const own = typeof details?.stack === 'string' ? framesOf(details.stack).map(absoluteIn(dir)) : []
  const frames = [...own, ...framesOf(asked?.stack ?? '').filter((frame) => !OURS.test(frame))]
  thrown.stack = [`${code}: ${thrown.message}`, ...frames].join('\n')
  return thrown
}

/** Where an author has nothing to look for. */
const OURS = /node:internal|[\\/]workbench[\\/](?:loaded|snapshots)\.[jt]s:/

function framesOf(stack: string): string[] {
  return stack.split('\n').filter((line) => /^\s+at /.test(line))
}

/** Terminals and editors open a place by its whole path. */
function absoluteIn(dir: string): (frame: string) => string {
  return (frame) =>
    frame.replace(
      /(\(|at (?:async )?)([\w./@-]+)(:\d+:\d+\)?)$/,
      (_, before: string, source: string, place: string) => `${before}${join(dir, source)}${place}`,
    )
}
