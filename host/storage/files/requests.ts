import { z } from 'zod'
import { LyceumError } from '../../errors.ts'
import { LIMITS } from '../../limits.ts'

/**
 * What guests ask of files. A request is JSON on one line; a write's content follows behind the newline, as text
 * (UTF-8) or as base64.
 *
 * | op | request | reply |
 * |---|---|---|
 * | `read` | {@link ReadRequest} | {@link Page} on one line, the content behind it; `null` where there is no file |
 * | `stat` | {@link PathRequest} | {@link FileInfo}, or `null` |
 * | `list` | {@link ListRequest} | `FileInfo[]`, in the order of the paths' UTF-8 bytes |
 * | `write` | {@link WriteRequest} and content | '' |
 * | `append` | {@link AppendRequest} and content | ''; a file that is not there is made |
 * | `delete` | {@link PathRequest} | `true`, or `false` where there was no file |
 * | `expire` | {@link ExpireRequest} | `true`, or `false` where there is no file |
 *
 * A file that has expired is not there, for any op.
 */
const FORMS = ['text', 'base64'] as const

const path = z.string()
const form = z.enum(FORMS)
const seconds = z.number().positive().max(1e10)
/** A media type without parameters: it becomes a header. */
const type = z
  .string()
  .max(100)
  .regex(/^[a-z0-9][\w.+-]*\/[a-z0-9][\w.+-]*$/i)

export const PathRequest = z.strictObject({ path })
/** `from` and `bytes`: which part; a page holds at most {@link LIMITS.filePageBytes} of it. */
export const ReadRequest = z.strictObject({
  path,
  as: form,
  from: z.int().min(0).max(LIMITS.fileBytes).default(0),
  bytes: z.int().min(1).max(LIMITS.fileBytes).default(LIMITS.fileBytes),
})
export const ListRequest = z.strictObject({
  prefix: z.string().max(LIMITS.filePathChars).default(''),
  after: z.string().max(LIMITS.filePathChars).default(''),
  limit: z.int().min(1).max(LIMITS.filesListed).default(100),
})
export const WriteRequest = z.strictObject({
  path,
  as: form,
  type: type.optional(),
  /** Seconds from now after which the file is gone. */
  expire: seconds.optional(),
})
const AppendRequest = z.strictObject({ path, as: form, type: type.optional() })
/** `null`: it stays. */
const ExpireRequest = z.strictObject({ path, seconds: seconds.nullable() })

/** A file, as `stat` and `list` tell of it. */
export interface FileInfo {
  readonly path: string
  readonly bytes: number
  /** As the author said, or as the path's ending says. */
  readonly type: string
  readonly modifiedMs: number
  readonly expiresMs: number | null
  /** Another one where the content is another. */
  readonly hash: string
}

/** The line ahead of a page of a file. */
export interface Page extends FileInfo {
  /** Where the page begins; its end is cut at the end of a character where it is read as text. */
  readonly from: number
  /** Where the next page begins, or null where this is the last that was asked for. */
  readonly next: number | null
}

/** A request to change a file, read and checked but for its path. */
export type Change =
  | { readonly op: 'write'; readonly asked: z.output<typeof WriteRequest>; readonly content: Buffer }
  | { readonly op: 'append'; readonly asked: z.output<typeof AppendRequest>; readonly content: Buffer }
  | { readonly op: 'delete'; readonly asked: z.output<typeof PathRequest> }
  | { readonly op: 'expire'; readonly asked: z.output<typeof ExpireRequest> }

/** Reads what a handler or job asks to be changed. @throws {LyceumError} op_malformed, file_too_large */
export function changeOf(op: Change['op'], request: string, bytes: Buffer): Change {
  switch (op) {
    case 'write': {
      const asked = requestOf(WriteRequest, request)
      return { op, asked, content: contentOf(asked.as, bytes) }
    }
    case 'append': {
      const asked = requestOf(AppendRequest, request)
      return { op, asked, content: contentOf(asked.as, bytes) }
    }
    case 'delete':
      return { op, asked: requestOf(PathRequest, request) }
    case 'expire':
      return { op, asked: requestOf(ExpireRequest, request) }
  }
}

/** Reads what a view or query asks to be written. @throws {LyceumError} op_malformed, file_too_large, write_denied */
export function transientWriteOf(request: string, bytes: Buffer) {
  const asked = requestOf(WriteRequest, request)
  if (asked.expire === undefined || asked.expire > LIMITS.transientFileSeconds)
    throw new LyceumError(
      'write_denied',
      `A view or query writes files that expire: fs.write(path, data, { expire: 3600 }), with at most ${LIMITS.transientFileSeconds} seconds. Files that stay are written by handlers and jobs.`,
    )
  return { asked, content: contentOf(asked.as, bytes) }
}

/**
 * A path is a key: segments between slashes, none of them empty, `.` or `..`; no backslash and nothing invisible,
 * so that it means the same wherever it is shown, or taken to as a file of a disk.
 *
 * @throws {LyceumError} file_path_invalid
 */
export function checkPath(path: string): void {
  const problem = pathProblem(path)
  if (problem !== undefined)
    throw new LyceumError('file_path_invalid', `A path ${problem}. Write it like 'plots/week-1.png'.`)
}

function pathProblem(path: string): string | undefined {
  if (path === '') return 'is not empty'
  if (path.length > LIMITS.filePathChars) return `has at most ${LIMITS.filePathChars} characters`
  if (/[\p{C}\p{Zl}\p{Zp}\\]/u.test(path)) return 'has no backslashes and no invisible characters'
  if (path.startsWith('/')) return 'does not begin with a slash'
  const segments = path.split('/')
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..'))
    return "has no segments that are empty, '.' or '..'"
  return undefined
}

/** Reads a guest's request. @throws {LyceumError} op_malformed */
export function requestOf<Schema extends z.ZodType>(schema: Schema, text: string): z.output<Schema> {
  const parsed = schema.safeParse(jsonOf(text))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new LyceumError(
    'op_malformed',
    `fs: ${issue?.path.map(String).join('.') || 'the request'}: ${issue?.message ?? 'does not fit'}.`,
  )
}

function jsonOf(text: string): unknown {
  if (text.length > LIMITS.filePathChars * 16) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * The content behind a request's line.
 * @throws {LyceumError} file_too_large, op_malformed
 */
export function contentOf(as: (typeof FORMS)[number], bytes: Buffer): Buffer {
  const size = as === 'text' ? bytes.length : Math.floor((bytes.length * 3) / 4)
  if (size > LIMITS.fileWriteBytes)
    throw new LyceumError(
      'file_too_large',
      `One write takes ${LIMITS.fileWriteBytes} bytes. A handler or job can append the rest.`,
    )
  if (as === 'text') return Buffer.from(bytes)
  const text = bytes.toString('latin1')
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0)
    throw new LyceumError('op_malformed', 'fs: the content is not base64.')
  return Buffer.from(text, 'base64')
}
