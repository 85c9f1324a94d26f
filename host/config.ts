import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { z } from 'zod'
import { LyceumError } from './errors.ts'

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
  readonly logLevel: (typeof LOG_LEVELS)[number]
}

/** The flags of the command line, as the parser hands them over: texts, not yet checked. */
export interface ConfigFlags {
  readonly port?: string | undefined
  readonly bind?: string | undefined
  readonly data?: string | undefined
  readonly samples?: boolean | undefined
  readonly plugins?: boolean | undefined
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
    logLevel: parse(
      LOG_LEVEL,
      pick('--log-level', flags.logLevel, 'LYCEUM_LOG_LEVEL', 'info'),
      `one of ${LOG_LEVELS.join(', ')}`,
    ),
  })
}

/** True where only programs on this machine can reach the address. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
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
