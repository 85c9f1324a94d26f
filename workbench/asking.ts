import type { Caller } from '../host/auth/tokens.ts'
import type { Answer } from '../host/dispatch/questions.ts'
import type { Host } from '../host/host.ts'

/** What an endpoint is asked for: dimensions and parameters by name. */
export type Given = Readonly<Record<string, unknown>>

/** Asks a view or a query as somebody, without a way through HTTP. @throws {LyceumError} as an LMS would get it */
export async function ask(
  host: Host,
  kind: 'view' | 'query',
  plugin: string,
  name: string,
  given: Given,
  caller: Caller,
): Promise<Answer> {
  const asked = Object.entries(given).filter(([, value]) => value !== undefined)
  return host.questions.answer(kind, plugin, name, asked, caller)
}
