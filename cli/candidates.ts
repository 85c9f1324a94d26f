import type { Command, Option } from 'commander'
import { z } from 'zod'
import { jsonOf, pluginPath } from './connection.ts'
import { Offered } from './offered.ts'
import { programWith } from './program.ts'
import { type ConnectionFlags, connectionOf } from './target.ts'

/** Whoever presses the tab key does not wait for a host that is slow or away. */
const HOST_MS = 800
/** What a shell takes as it is: a host must not write what somebody then runs. */
const SAFE = /^[\w.=:@/+-]+$/

/**
 * What may stand in the place of the last of some words.
 *
 * @param words those after `lyceum`; the last is the one that is being typed, and may be empty
 * @returns words that begin like it; none where anything may stand there, such as the name of a file
 */
export async function candidates(words: readonly string[]): Promise<string[]> {
  const current = words.at(-1) ?? ''
  const found = await followers(words.slice(0, -1), current.startsWith('-'))
  return found.filter((word) => word.startsWith(current) && SAFE.test(word))
}

async function followers(before: readonly string[], isOption: boolean): Promise<readonly string[]> {
  const [name] = before.filter((word) => !word.startsWith('-'))
  const program = await programWith((known) => known === name)
  const commands = program.commands.filter((command) => !isHidden(command)).map((command) => command.name())
  if (name === undefined) return isOption ? flagsOf(program) : [...commands, 'help']
  if (name === 'help') return commands
  const command = program.commands.find((known) => known.name() === name)
  if (command === undefined) return []
  const { given, open } = read(command, before.slice(before.indexOf(name) + 1))
  const asked = { command: name, given, flags: flagsIn(before) }
  if (open !== undefined) return open.argChoices ?? (await fromHost({ ...asked, name: open.attributeName() }))
  if (isOption) return [...flagsOf(command), ...flagsOf(program)]
  const places = command.registeredArguments
  const place = places[given.length] ?? places.findLast((argument) => argument.variadic)
  if (place === undefined) return []
  return place.argChoices ?? (await fromHost({ ...asked, name: place.name() }))
}

/** The arguments among some words of a command, and the option that has no value yet. */
function read(command: Command, words: readonly string[]) {
  const given: string[] = []
  let open: Option | undefined
  for (const word of words) {
    if (open !== undefined) open = undefined
    else if (word.startsWith('-'))
      open = command.options.find(
        ({ short, long, required, optional }) => (word === short || word === long) && (required || optional),
      )
    else given.push(word)
  }
  return { given, open }
}

function flagsOf(command: Command): string[] {
  return [...command.options.filter(({ hidden }) => !hidden).flatMap(({ long }) => long ?? []), '--help']
}

function isHidden(command: Command): boolean {
  return command.name() === 'complete'
}

/** Which host to ask, as the words themselves say. */
function flagsIn(words: readonly string[]): ConnectionFlags {
  const after = (flag: string) => (words.includes(flag) ? words[words.indexOf(flag) + 1] : undefined)
  const [url, token, data] = ['--url', '--token', '--data'].map(after)
  return { ...(url && { url }), ...(token && { token }), ...(data && { data }) }
}

interface Asked {
  readonly command: string
  /** The place to fill: an argument or an option by its name. */
  readonly name: string
  /** The arguments before it. */
  readonly given: readonly string[]
  readonly flags: ConnectionFlags
}

const Ids = z.array(z.object({ id: z.string() }))
const Plugin = z.object({
  granted: z.array(z.string()).default([]),
  pending: z.object({ needs: z.array(z.string()) }).nullable(),
  versions: z.array(
    z.object({
      version: z.string(),
      endpoints: z.array(z.object({ name: z.string(), kind: z.string() })),
    }),
  ),
  quota: z.record(z.string(), z.number()).default({}),
})
/** What only the host knows. Nothing where it does not answer. */
async function fromHost(asked: Asked): Promise<string[]> {
  try {
    const connection = await connectionOf(asked.flags, 'admin')
    const signal = AbortSignal.timeout(HOST_MS)
    const get = async (path: string) => jsonOf(await connection.open(path, { signal }), connection.url)
    if (asked.command === 'query') return await queryWords(asked.given, get)
    const [plugin] = asked.given
    if (asked.name === 'plugin') return Ids.parse(await get('/v1/plugins')).map(({ id }) => id)
    return plugin === undefined ? [] : wordsOf(asked, Plugin.parse(await get(pluginPath(plugin))))
  } catch {
    return []
  }
}

async function queryWords(
  given: readonly string[],
  get: (path: string) => Promise<unknown>,
): Promise<string[]> {
  const { plugins, names } = Offered.parse(await get('/v1/schema'))
  const [first, second] = given
  if (first === undefined)
    return [
      ...plugins.filter(({ queries }) => queries.length > 0).map(({ id }) => id),
      ...names.map(({ name }) => name),
    ]
  const common = names.find(({ name }) => name === first)
  const queries = plugins.find(({ id }) => id === (common?.plugin ?? first))?.queries ?? []
  const query = queries.find(({ name }) => name === (common?.query ?? second))
  if (query === undefined) return queries.map(({ name }) => name)
  return [...query.dimensions, ...Object.keys(query.params)].map((name) => `${name}=`)
}

function wordsOf({ command, name }: Asked, plugin: z.infer<typeof Plugin>): string[] {
  const [newest] = plugin.versions
  if (name === 'endpoint') return (newest?.endpoints ?? []).map((endpoint) => endpoint.name)
  if (name === 'version') return plugin.versions.map(({ version }) => version)
  if (name === 'needs') return command === 'revoke' ? plugin.granted : (plugin.pending?.needs ?? [])
  if (name === 'changes') return Object.keys(plugin.quota).map((quota) => `${quota}=`)
  return []
}
