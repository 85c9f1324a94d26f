import { FERRETDB } from './ferretdb.ts'
import { MONGO_JAVA_SERVER } from './mongo-java-server.ts'
import type { Lacks } from './reasons.ts'

/**
 * What servers that speak MongoDB's language lack or do in another way. Of MongoDB itself nothing is known to
 * be missing: what differs there by design is told in `docs/mongodb.md`. A case names what it needs; the run prints what was not held.
 */
const LACKS: ReadonlyMap<string, Lacks> = new Map([
  ['ferretdb', FERRETDB],
  ['mongo-java-server', MONGO_JAVA_SERVER],
])

/** Why a server cannot do what a case needs; undefined where it can. */
export function lackOf(server: string, need: string): string | undefined {
  const lacks = Object.entries(LACKS.get(server) ?? {})
  return lacks.find(([, needs]) => needs.includes(need))?.[0]
}
