import { z } from 'zod'
import type { FileTicket } from '../auth/file-tickets.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { checkPath, requestOf } from '../storage/files/requests.ts'
import type { Transaction } from '../storage/plugin-store.ts'
import type { FileReadControl, FileWriteControl } from '../storage/store-protocol.ts'
import type { OpContext, OpImplementation, OpTable } from './capability.ts'

const UrlRequest = z.strictObject({
  path: z.string(),
  seconds: z.number().positive().max(LIMITS.fileUrlSeconds).default(3_600),
})

export interface FsServices {
  /** What files expire by, in ms since the epoch. */
  readonly nowMs: () => number
  /** Makes the address of a file. */
  readonly addressOf: (file: Omit<FileTicket, 'installation'>, seconds: number) => string
}

type FsOps = Pick<
  OpTable,
  'fsRead' | 'fsStat' | 'fsList' | 'fsWrite' | 'fsAppend' | 'fsDelete' | 'fsExpire' | 'fsUrl'
>

/**
 * `fs`: a plugin's own files. Requests go to the store as they came; the store parses and checks them. Handlers and
 * jobs read and write inside their transaction; views and queries read what is committed, and write what expires.
 */
export function fsOps({ nowMs, addressOf }: FsServices): FsOps {
  const reads =
    (op: FileReadControl['op']): OpImplementation =>
    (request, { plugin, transaction, deadlineMs }) =>
      (transaction ?? plugin.store).readFiles({ op, nowMs: nowMs() }, request, deadlineMs)
  const changes =
    (op: FileWriteControl['op']): OpImplementation =>
    (request, context) =>
      transactionOf(context).changeFile(op, request, nowMs())
  return {
    fsRead: reads('read'),
    fsStat: reads('stat'),
    fsList: reads('list'),
    fsWrite: (request, { plugin, transaction, caller, tree, deadlineMs }) => {
      if (transaction !== undefined) return transaction.changeFile('write', request, nowMs())
      // It would wait for the end of a transaction that waits for this.
      if (caller === undefined)
        throw new LyceumError(
          'write_denied',
          'A query that a handler or job asks writes no files. Return the data, and write them in the handler.',
        )
      if (tree.isSample) plugin.markOfSamples()
      return plugin.store.writeTransient(request, nowMs(), deadlineMs)
    },
    fsAppend: changes('append'),
    fsDelete: changes('delete'),
    fsExpire: changes('expire'),
    fsUrl: (request, { plugin }) => {
      const { path, seconds } = requestOf(UrlRequest, request.toString('utf8', 0, URL_REQUEST_BYTES))
      checkPath(path)
      const { generation } = plugin.store
      return addressOf({ plugin: plugin.id, generation, path }, seconds)
    },
  }
}

/** What is longer does not parse. */
const URL_REQUEST_BYTES = LIMITS.filePathChars * 8

function transactionOf(context: OpContext): Transaction {
  if (context.transaction !== undefined) return context.transaction
  throw new LyceumError(
    'write_denied',
    'A view or query reads files, and writes some that expire. All else is done in an onEvent handler or a cron job.',
  )
}
