import { collection, onEvent, query } from '@lyceum/sdk'

interface Account {
  _id: string
  balance: number
  moves: number
}

interface Entry {
  _id: number
  from: string
  to: string
  amount: number
  refused: boolean
}

interface Total {
  _id: string
  n: number
}

const OPENING = 100

export const members = collection({ indexes: [{ keys: { mail: 1 }, unique: true }] })

// Even versions only: an index that is built and dropped as versions change.
export const entries = collection({ indexes: [{ to: 1, amount: -1 }] })

/** Several collections in one transaction: what leaves one account arrives at another, and has an entry. */
export const transfer = onEvent('transfer', async ({ events, db }) => {
  const accounts = db.collection<Account>('accounts')
  for (const { event } of events) {
    const [n, amount, from, to] = [
      Number(event.n),
      Number(event.amount),
      String(event.from),
      String(event.to),
    ]
    for (const _id of [from, to])
      if ((await accounts.findOne({ _id })) === null)
        await accounts.insertOne({ _id, balance: OPENING, moves: 0 })
    const refused = ((await accounts.findOne({ _id: from }))?.balance ?? 0) < amount
    await db.collection<Entry>('entries').insertOne({ _id: n, from, to, amount, refused })
    if (refused) continue
    await accounts.updateOne({ _id: from }, { $inc: { balance: -amount, moves: 1 } })
    await accounts.updateOne({ _id: to }, { $inc: { balance: amount, moves: 1 } })
    await db
      .collection<Total>('totals')
      .updateOne({ _id: 'moved' }, { $inc: { n: amount } }, { upsert: true })
  }
})

/** Whoever comes second with an address is put aside. */
export const join = onEvent('join', async ({ events, db }) => {
  for (const { event } of events) {
    await db.collection<Total>('totals').updateOne({ _id: 'joined' }, { $inc: { n: 1 } }, { upsert: true })
    await db
      .collection<{ _id: number; mail: string }>('members')
      .insertOne({ _id: Number(event.n), mail: String(event.mail) })
  }
})

/** All money, in one read: none is ever on its way. */
export const sum = query(async ({ db }) => {
  const group = { _id: null, balance: { $sum: '$balance' }, accounts: { $sum: 1 } }
  const [found] = await db
    .collection<Account>('accounts')
    .aggregate<{ balance: number; accounts: number }>([{ $group: group }])
    .toArray()
  return { missing: (found?.accounts ?? 0) * OPENING - (found?.balance ?? 0), accounts: found?.accounts ?? 0 }
})
