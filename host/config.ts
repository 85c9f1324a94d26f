import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { z } from 'zod'
import { LyceumError } from './errors.ts'
import { CEILINGS_SCHEMA, quotaSchema } from './limits.ts'
import { DEFAULT_QUOTA_RULES, effectiveQuota, type QuotaRules, StoredQuota } from './registry/quota-rules.ts'
import { parseReplicas, type ReplicaConfig } from './replicas/config.ts'

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/** Everything that the host is told from outside, checked once at the start and frozen. */
export interface Config {
  /** TCP port; 0 picks a free one. */
  readonly port: number
  /** The IP address to listen on. */
  readonly bind: string
  /** Absolute path of the folder that holds everything the host keeps. */
  readonly dataDir: string
  /** Load the sample course into an empty data folder. */
  readonly samples: boolean
  /** Install the first-party plugins at the start. */
  readonly plugins: boolean
  /** What plugins get, and what an admin may raise that to. */
  readonly quotas: QuotaRules
  readonly logLevel: (typeof LOG_LEVELS)[number]
  /** The server that keeps plugins' documents, with an account that makes databases; undefined for files. */
  readonly mongoUri: string | undefined
  /** The LMS's databases that plugins may read, by name. They hold passwords. */
  readonly replicas: ReadonlyMap<string, ReplicaConfig>
}

/** The flags of the command line, as the parser hands them over: texts, not yet checked. */
export interface ConfigFlags {
  readonly port?: string | undefined
  readonly bind?: string | undefined
  readonly data?: string | undefined
  readonly samples?: boolean | undefined
  readonly plugins?: boolean | undefined
  readonly ceilings?: string | undefined
  readonly quotas?: string | undefined
  readonly logLevel?: string | undefined
}

const PORT = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .pipe(z.int().max(65_535))
const BIND = z.string().refine((address) => isIP(address) !== 0)
const DATA_DIR = z
  .string()
  .refine((path) => path.trim() !== '' && !path.includes('\0'))
  .transform((path) => resolve(path))
const LOG_LEVEL = z.enum(LOG_LEVELS)

/**
 * Reads the configuration: a flag wins over a variable, a variable over the default.
 *
 * @throws LyceumError `config_invalid`, which names the flag or variable, its value and what is expected.
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>, flags: ConfigFlags): Config {
  /** An empty variable counts as unset: that is how compose files write "no value". */
  const pick = (flag: string, given: string | undefined, variable: string | undefined, fallback: string) => {
    if (given !== undefined) return { source: flag, value: given }
    const set = variable === undefined ? undefined : env[variable]
    return set ? { source: variable ?? flag, value: set } : { source: flag, value: fallback }
  }
  return Object.freeze({
    port: parse(
      PORT,
      pick('--port', flags.port, 'LYCEUM_PORT', '4000'),
      'a whole number from 0 to 65535 (0 picks a free port)',
    ),
    bind: parse(
      BIND,
      pick('--bind', flags.bind, undefined, '127.0.0.1'),
      'an IP address, such as 127.0.0.1 or 0.0.0.0',
    ),
    dataDir: parse(DATA_DIR, pick('--data', flags.data, 'LYCEUM_DATA', './.lyceum'), 'the path of a folder'),
    samples: flags.samples ?? true,
    plugins: flags.plugins ?? true,
    quotas: quotaRules(
      pick('--quotas', flags.quotas, 'LYCEUM_QUOTAS', '{}'),
      pick('--ceilings', flags.ceilings, 'LYCEUM_CEILINGS', '{}'),
    ),
    mongoUri: mongoUri(env.LYCEUM_MONGODB_URI),
    replicas: parseReplicas(env.LYCEUM_REPLICAS ?? '', env),
    logLevel: parse(
      LOG_LEVEL,
      pick('--log-level', flags.logLevel, 'LYCEUM_LOG_LEVEL', 'info'),
      `one of ${LOG_LEVELS.join(', ')}`,
    ),
  })
}

/** It holds a password, so what is wrong with it is told without it. */
function mongoUri(text: string | undefined): string | undefined {
  if (!text) return undefined
  if (/^mongodb(?:\+srv)?:\/\/[^/\s]+(?:\/[^\s]*)?$/.test(text)) return text
  throw new LyceumError(
    'config_invalid',
    'LYCEUM_MONGODB_URI must be the address of a MongoDB server, such as mongodb://user:password@db.example:27017/?replicaSet=rs0, with what is special in the password written as %XX.',
    { setting: 'LYCEUM_MONGODB_URI' },
  )
}

/** True where only programs on this machine can reach the address. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
}

/** A default above its ceiling is lowered to it where nobody set it, and refused where somebody did. */
function quotaRules(quotas: Setting, ceilings: Setting): QuotaRules {
  const raised = { ...DEFAULT_QUOTA_RULES.ceilings, ...quotaJson(ceilings, CEILINGS_SCHEMA) }
  const given = quotaJson(quotas, quotaSchema(raised))
  const defaults = effectiveQuota(given, { ...DEFAULT_QUOTA_RULES, ceilings: raised })
  return { defaults, ceilings: raised }
}

function quotaJson(from: Setting, schema: typeof CEILINGS_SCHEMA): StoredQuota {
  const text = parse(z.string().transform(jsonOf), from, 'JSON, such as {"memoryMb":128}')
  const parsed = schema.safeParse(text)
  if (parsed.success) return StoredQuota.parse(parsed.data)
  const [issue] = parsed.error.issues
  throw new LyceumError(
    'config_invalid',
    `${from.source}: ${issue?.path.join('.') || 'its JSON'}: ${issue?.message ?? 'does not fit'}.`,
    { setting: from.source },
  )
}

function jsonOf(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text)
  } catch {
    context.addIssue({ code: 'custom', message: 'not JSON' })
    return z.NEVER
  }
}

interface Setting {
  readonly source: string
  readonly value: string
}

function parse<T>(schema: z.ZodType<T>, from: { source: string; value: string }, expected: string): T {
  const parsed = schema.safeParse(from.value)
  if (parsed.success) return parsed.data
  throw new LyceumError(
    'config_invalid',
    `${from.source} is ${JSON.stringify(from.value)}, but must be ${expected}.`,
    { setting: from.source },
  )
}
