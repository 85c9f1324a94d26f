import { LyceumError } from '../errors.ts'
import type { Transaction } from '../storage/plugin-store.ts'
import type { OpContext, OpTable } from './capability.ts'
import { cursorsOf } from './cursors.ts'

/**
 * `db`: a plugin's own documents. The payload goes to the store as it came; the store parses and checks
 * it. Handlers and jobs read and write inside their transaction, views and queries read what is committed.
 */
export const dbOps: Pick<OpTable, 'dbRead' | 'dbWrite' | 'dbWriteCounted' | 'dbPage' | 'dbMore' | 'dbClose'> =
  {
    dbRead: (payload, { plugin, transaction, tree }) =>
      (transaction ?? plugin.store).read(payload, tree.deadlineMs),
    dbWrite: (payload, context) => transactionOf(context).write(payload, false),
    dbWriteCounted: (payload, context) => transactionOf(context).write(payload, true),
    dbPage: (payload, context) => {
      const { plugin, transaction, tree } = context
      return cursorsOf(context).open(() => (transaction ?? plugin.store).openCursor(payload, tree.deadlineMs))
    },
    dbMore: (payload, context) => cursorsOf(context).more(payload, context.tree.deadlineMs),
    dbClose: (payload, context) => {
      cursorsOf(context).close(payload)
      return ''
    },
  }

function transactionOf(context: OpContext): Transaction {
  if (context.transaction !== undefined) return context.transaction
  throw new LyceumError(
    'write_denied',
    'A view or query reads the database. Write in an onEvent handler or a cron job.',
  )
}
