import type { ServerFacts } from '../store-protocol.ts'

/** What an admin has to know of the server that keeps plugins' documents, one sentence a line. */
export function noticesOf({ transactions, users, isFerretDb }: ServerFacts): string[] {
  return [
    ...(transactions
      ? []
      : [
          'MongoDB: this server has no transactions, so the effects of an event happen at least once: after a crash some happen again. Use a replica set.',
        ]),
    ...(users
      ? []
      : [
          'MongoDB: all plugins share one account, because the server knows no users or LYCEUM_MONGODB_URI names none. Turn on access control.',
        ]),
    ...(users && isFerretDb
      ? [
          'MongoDB: each plugin has an account of its own, but FerretDB knows no roles that keep it to its database.',
        ]
      : []),
  ]
}
