import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mongoSecret } from '../../host/storage/mongo/secret.ts'
import { databaseName } from '../../host/storage/mongo/start.ts'
import { Stores } from '../../host/storage/stores.ts'
import { serverWithAccounts } from '../support/mongo.ts'

const PASSWORD = 'not-to-be-shown'
const server = serverWithAccounts(`admin:${PASSWORD}`)
if (server === undefined) console.log('Accounts in MongoDB: skipped, for there is no ferretdb on the PATH.')

describe.skipIf(server === undefined)('accounts of plugins, on a server that asks for passwords', () => {
  let folder = ''
  let uri = ''
  let output = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lyceum-accounts-'))
    uri = (await server?.start()) ?? ''
  })
  afterAll(async () => {
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const storesAt = (address: string, secret = mongoSecret(folder)) =>
    new Stores({
      folder,
      mongo: { uri: address, secret },
      onOutput: (text) => {
        output += text
      },
      onLoss: () => {},
    })
  const claimed = async (stores: Stores, plugin: string) => {
    await stores.start()
    const cursor = { cursor: 'handler/0', version: 1, log: 'log', from: 0, passed: 0 }
    return (await stores.plugin(plugin, 1).claim(cursor)).epoch
  }

  test('are made by the host, one in each plugin’s own database', async () => {
    const stores = storesAt(uri)
    expect(await claimed(stores, 'first')).toBe(1)
    expect(await claimed(stores, 'second')).toBe(1)
    expect(stores.server).toMatchObject({ users: true, isFerretDb: true })
    await stores.close()
    const admin = new MongoClient(uri)
    for (const plugin of ['first', 'second']) {
      const { users } = await admin.db(databaseName(uri, plugin, 1)).command({ usersInfo: 1 })
      expect(users).toMatchObject([{ user: 'lyceum' }])
    }
    await admin.close()
  })

  test('are taken over by a host with another secret', async () => {
    const stores = storesAt(uri, Buffer.alloc(32, 1).toString('base64url'))
    expect(await claimed(stores, 'first')).toBe(2)
    await stores.close()
  })

  test('have no password that others could read: the secret is the host’s, and no process shows any', async () => {
    expect((await stat(join(folder, 'mongodb.json'))).mode & 0o077).toBe(0)
    const { secret } = JSON.parse(await readFile(join(folder, 'mongodb.json'), 'utf8'))
    const stores = storesAt(uri)
    expect(await claimed(stores, 'first')).toBe(3)
    const [pid = 0] = stores.pids
    for (const file of ['cmdline', 'environ']) {
      const shown = readFileSync(`/proc/${pid}/${file}`, 'utf8')
      expect(shown).not.toContain(PASSWORD)
      expect(shown).not.toContain(secret)
    }
    await stores.close()
    expect(output).not.toContain(PASSWORD)
  })

  test('of an address with a wrong password keep the host from starting, which says so without it', async () => {
    const stores = storesAt(uri.replace(PASSWORD, 'another'))
    const refusal = await stores.start().catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'config_invalid' })
    expect(String(refusal)).not.toContain('another@')
    await stores.close()
  })

  test('are of no use where nobody listens', async () => {
    const stores = storesAt('mongodb://admin:pw@127.0.0.1:9/')
    await expect(stores.start()).rejects.toMatchObject({ code: 'database_unreachable' })
    await stores.close()
  })
})
