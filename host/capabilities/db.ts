import { LyceumError } from '../errors.ts'
import type { Transaction } from '../storage/plugin-store.ts'
import type { OpContext, OpTable } from './capability.ts'

/**
 * `db`: a plugin's own documents. The payload goes to the store as it came; the store parses and checks
 * it. Handlers and jobs read and write inside their transaction, views and queries read what is committed.
 */
export const dbOps: Pick<OpTable, 'dbRead' | 'dbWrite' | 'dbWriteCounted'> = {
  dbRead: (payload, { plugin, transaction, tree }) =>
    (transaction ?? plugin.store).read(payload, tree.deadlineMs),
  dbWrite: (payload, context) => transactionOf(context).write(payload, false),
  dbWriteCounted: (payload, context) => transactionOf(context).write(payload, true),
}

function transactionOf(context: OpContext): Transaction {
  if (context.transaction !== undefined) return context.transaction
  throw new LyceumError(
    'write_denied',
    'A view or query reads the database. Write in an onEvent handler or a cron job.',
  )
}
