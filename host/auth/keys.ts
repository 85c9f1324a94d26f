import { createSecretKey, type KeyObject, randomBytes, randomUUID } from 'node:crypto'
import { access, link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { LyceumError } from '../errors.ts'

const FILE = 'keys.json'

/** HS256 wants a key at least as long as its hash: 32 bytes. */
const fileSchema = z.object({
  keys: z
    .array(
      z.object({
        id: z.string().min(1),
        secret: z.base64url().refine((text) => Buffer.from(text, 'base64url').length >= 32),
      }),
    )
    .min(1)
    .refine((keys) => new Set(keys.map((key) => key.id)).size === keys.length),
})

/**
 * The keys that sign and verify tokens. The secrets are `KeyObject`s, which show nothing when they are
 * printed, logged or serialised.
 */
export interface Keys {
  /** The first key of the file. */
  readonly signing: { readonly id: string; readonly key: KeyObject }
  /** Every key of the file, by id. */
  readonly verifying: ReadonlyMap<string, KeyObject>
  /** True where this call made the file: tokens of another data folder do not work here. */
  readonly created: boolean
}

/** Whether the data folder has keys, good or not: only then a host was here. */
export async function hasKeys(dataDir: string): Promise<boolean> {
  try {
    await access(join(dataDir, FILE))
    return true
  } catch (error) {
    return codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR'
  }
}

/**
 * Reads `keys.json` of the data folder, and makes it (and the folder) where it is absent.
 *
 * To rotate: put a new key first in the file and start the host again. Tokens of the old keys stay good
 * until they expire or their key is removed.
 *
 * @throws LyceumError `config_invalid` where the folder or the file cannot be used.
 */
export async function loadKeys(dataDir: string): Promise<Keys> {
  const created = await createIfAbsent(dataDir)
  const parsed = fileSchema.safeParse(parseJson(await readFile(join(dataDir, FILE), 'utf8').catch(unusable)))
  if (!parsed.success)
    throw new LyceumError(
      'config_invalid',
      `${FILE} in the data folder does not hold signing keys. Restore it, or delete it to get new keys: then every token has to be made again.`,
    )
  const keys = parsed.data.keys.map(({ id, secret }) => ({ id, key: createSecretKey(secret, 'base64url') }))
  const [signing] = keys
  if (!signing) throw new Error('the schema lets no empty list of keys through')
  return { signing, verifying: new Map(keys.map(({ id, key }) => [id, key])), created }
}

/**
 * The host and the command line may both be the first. Each writes a whole file under a name of its own
 * and then links it to the real name, which fails for all but one: nobody reads half a file, and the loser
 * takes the winner's keys.
 */
async function createIfAbsent(dataDir: string): Promise<boolean> {
  const path = join(dataDir, FILE)
  const draft = join(dataDir, `.${FILE}.${randomUUID()}`)
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const there = await open(path).catch(ignore('ENOENT'))
    if (there) {
      await there.close()
      return false
    }
    const secret = randomBytes(32).toString('base64url')
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(`${JSON.stringify({ keys: [{ id: randomUUID(), secret }] }, null, 2)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    try {
      await link(draft, path)
      return true
    } catch (error) {
      ignore('EEXIST')(error)
      return false
    } finally {
      await unlink(draft)
    }
  } catch (error) {
    return unusable(error)
  }
}

function ignore(code: string): (error: unknown) => void {
  return (error) => {
    if (codeOf(error) !== code) throw error
  }
}

function unusable(error: unknown): never {
  const reason = codeOf(error)
  if (reason === undefined) throw error
  throw new LyceumError(
    'config_invalid',
    `The data folder cannot be used (${reason}). Give this user the right to read and write it, or name another with --data.`,
  )
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
