import {
  Binary,
  BSON,
  BSONRegExp,
  Decimal128,
  GridFSBucket,
  Long,
  MongoClient,
  type MongoClientOptions,
  MongoError,
  MongoRuntimeError,
  MongoServerError,
  ObjectId,
} from 'mongodb'

export type { AbstractCursor, ClientSession, Db, Document } from 'mongodb'
/** The one place that knows MongoDB's driver: what the other files of this folder take of it comes from here. */
export {
  Binary,
  BSON,
  BSONRegExp,
  Decimal128,
  GridFSBucket,
  Long,
  MongoClient,
  MongoError,
  MongoRuntimeError,
  MongoServerError,
  ObjectId,
}

export const { BSONError } = BSON

/** As whom to connect, in place of whoever the address names. */
export interface Credential {
  readonly user: string
  readonly password: string
  /** The database that knows the user. */
  readonly database: string
}

/** Connections that one plugin, or the host itself, may have to each server. */
const MOST_CONNECTIONS = 8
/** The same where all plugins share them. */
const MOST_SHARED_CONNECTIONS = 64
const CONNECT_MS = 5_000
/** Longer than anything that is asked of a server may take. */
const SOCKET_MS = 40_000
const IDLE_MS = 60_000
const AUTHORITY = /^(mongodb(?:\+srv)?:\/\/)[^@/]*@/

/** A client that connects when it is first used. */
export function clientFor(uri: string, credential?: Credential): MongoClient {
  const options: MongoClientOptions = {
    appName: 'lyceum',
    maxPoolSize: credential === undefined ? MOST_SHARED_CONNECTIONS : MOST_CONNECTIONS,
    minPoolSize: 0,
    maxIdleTimeMS: IDLE_MS,
    connectTimeoutMS: CONNECT_MS,
    serverSelectionTimeoutMS: CONNECT_MS,
    waitQueueTimeoutMS: SOCKET_MS,
    socketTimeoutMS: SOCKET_MS,
    readPreference: 'primary',
    promoteBuffers: false,
    bsonRegExp: true,
  }
  if (credential === undefined) return new MongoClient(uri, options)
  return new MongoClient(uri.replace(AUTHORITY, '$1'), {
    ...options,
    auth: { username: credential.user, password: credential.password },
    authSource: credential.database,
    authMechanism: 'SCRAM-SHA-256',
  })
}

/** Whether an address names a user: only then the server is expected to know users. */
export function namesUser(uri: string): boolean {
  return AUTHORITY.test(uri)
}
