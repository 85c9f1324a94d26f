import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import { nameProblem } from '../registry/manifest-names.ts'

const SETTING = 'LYCEUM_REPLICAS'
const MOST_NAME_CHARS = 32

const url = (...protocols: readonly string[]) =>
  z
    .string()
    .refine((text) => URL.canParse(text) && protocols.some((protocol) => text.startsWith(`${protocol}://`)), {
      error: `must be an address that begins with ${protocols.join(':// or ')}://`,
    })
/** The tables, views or collections that plugins may name; all that the account may read unless told. */
const tables = z.array(z.string().min(1)).min(1).optional()

const ReplicaConfig = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('postgres'), url: url('postgres', 'postgresql'), tables }),
  z.strictObject({ kind: z.literal('mysql'), url: url('mysql', 'mariadb'), tables }),
  z.strictObject({ kind: z.literal('mongodb'), url: url('mongodb', 'mongodb+srv'), tables }),
  z.strictObject({
    kind: z.literal('sqlite'),
    path: z
      .string()
      .min(1)
      .transform((path) => resolve(path)),
    tables,
  }),
])
/** One database that plugins may read, with its secret: it leaves the host only for the process that reads it. */
export type ReplicaConfig = z.infer<typeof ReplicaConfig>
export type ReplicaKind = ReplicaConfig['kind']

const ReplicaConfigs = z.record(z.string(), ReplicaConfig)

type Env = Readonly<Record<string, string | undefined>>

/**
 * Reads the replicas that an admin configured. What it refuses, it refuses without showing any of it: there are
 * passwords in it.
 *
 * @param setting the path of a JSON file, or JSON: `{ "lms": { "kind": "postgres", "url": "…" } }`, in which
 *   `${NAME}` stands for what is in the environment; '' for none
 * @throws {LyceumError} config_invalid
 */
export function parseReplicas(setting: string, env: Env): ReadonlyMap<string, ReplicaConfig> {
  if (setting.trim() === '') return new Map()
  const parsed = ReplicaConfigs.safeParse(withSecrets(jsonOf(setting), env))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw invalid(`at ${issue?.path.join('.') || 'its top'}: ${issue?.message ?? 'it is not well formed'}`)
  }
  const replicas = new Map(Object.entries(parsed.data))
  for (const name of replicas.keys()) {
    const problem = nameProblem(name, MOST_NAME_CHARS)
    if (problem !== undefined) throw invalid(`the name ${JSON.stringify(name.slice(0, 64))} ${problem}`)
  }
  return replicas
}

function jsonOf(setting: string): unknown {
  const inline = setting.trimStart().startsWith('{')
  let text = setting
  try {
    if (!inline) text = readFileSync(setting, 'utf8')
  } catch {
    throw invalid('it is neither JSON nor the path of a file that can be read')
  }
  try {
    return JSON.parse(text)
  } catch {
    throw invalid(inline ? 'it is not well-formed JSON' : 'the file that it names is not well-formed JSON')
  }
}

/** A secret stands in an address, where a `@` or a `/` of a password would end it. */
function withSecrets(value: unknown, env: Env): unknown {
  if (typeof value === 'string')
    return value.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
      const secret = env[name]
      if (secret === undefined) throw invalid(`it wants \${${name}}, which is not in the environment`)
      return encodeURIComponent(secret)
    })
  if (Array.isArray(value)) return value.map((item) => withSecrets(item, env))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withSecrets(item, env)]))
}

function invalid(what: string): LyceumError {
  return new LyceumError('config_invalid', `${SETTING} cannot be used: ${what}. See docs/replicas.md.`, {
    setting: SETTING,
  })
}
