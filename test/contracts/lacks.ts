/**
 * What servers that speak MongoDB's language lack or do in another way, with the reason. MongoDB itself is to lack
 * nothing: what differs there by design is told in `docs/mongodb.md`. A case names what it needs; on a server that
 * lacks it the case has to fail, and the run prints it.
 */
const LACKS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ferretdb: {
    transactions: 'FerretDB 1 has no transactions, so what a batch did before it failed stays',
  },
  'mongo-java-server': {
    transactions: 'it has no transactions, so what a batch did before it failed stays',
  },
  mongodb: {},
  embedded: {},
}

/** Why a server cannot do what a case needs; undefined where it can. */
export function lackOf(server: string, need: string): string | undefined {
  const lacks = Object.hasOwn(LACKS, server) ? LACKS[server] : undefined
  return lacks !== undefined && Object.hasOwn(lacks, need) ? lacks[need] : undefined
}
