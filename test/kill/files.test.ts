import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { moments, startLoad } from './load.ts'
import { integrity } from './spawned.ts'

let lyceum: TestHost
beforeEach(async () => {
  lyceum = await startHost()
})
afterEach(() => lyceum.dispose())

const SOAK = process.env.LYCEUM_SOAK !== undefined
const KILLS = Number(process.env.FILE_KILLS ?? (SOAK ? 25 : 3))
const SEND_EVERY_MS = 100

/** Each event makes a document and a file; each batch says its number in both, and a line of a log. */
const KEEPER = `
  import { onEvent, query } from '@lyceum/sdk'
  export const keep = onEvent('play_video', async ({ events, db, fs }) => {
    const state = await db.collection('state').findOne({ _id: 'batch' })
    const batch = (state?.n ?? 0) + 1
    await db.collection('state').updateOne({ _id: 'batch' }, { $set: { n: batch } }, { upsert: true })
    for (const e of events) {
      await db.collection('kept').insertOne({ _id: e.id, batch })
      await fs.write('by/' + e.id, batch + ' ' + e.id + ' '.repeat(5_000))
      await fs.append('log.txt', e.id + '\\n')
    }
    await fs.write('last', batch + 'x'.repeat(100_000))
    await fs.delete('by/none')
  })
  export const found = query(async ({ db, fs }) => {
    const kept = await db.collection('kept').find().toArray()
    const files = []
    for (let after = ''; ; ) {
      const page = await fs.list('by/', { after, limit: 1000 })
      files.push(...page)
      if (page.length < 1000) break
      after = page.at(-1).path
    }
    const differ = []
    for (const { _id, batch } of kept.slice(-500)) {
      const text = await fs.readText('by/' + _id)
      if (text?.trimEnd() !== batch + ' ' + _id) differ.push([_id, batch, text])
    }
    const last = await fs.readText('last')
    return {
      kept: kept.length,
      files: files.length,
      lines: (await fs.readText('log.txt'))?.split('\\n').length - 1,
      differ,
      last: Number.parseInt(last),
      batch: Math.max(...kept.map((row) => row.batch)),
    }
  })`

test(
  `stores are killed ${KILLS} times while they write documents and files: no half batch, no torn file`,
  async () => {
    const random = moments('files')
    await lyceum.publish('keeper', KEEPER)
    const quota = { cpuMsPerCall: 20_000, wallMs: 60_000 }
    await lyceum.call('PATCH', '/v1/plugins/keeper/quota', { body: quota })
    const load = startLoad(async (events) => {
      // Each event costs a file on the disk: with many of them the rest of the test would only wait.
      await sleep(SEND_EVERY_MS)
      return (await lyceum.call('POST', '/v1/events', { body: events })).status === 202
    })
    await load.more(16)
    const cursor = () => lyceum.host.lane.status('keeper')[0]?.cursor
    let killedAt: number | undefined
    for (let kill = 0; kill < KILLS; kill++) {
      // Every other one hits a store that has just begun anew. If all did, the handler would only wait, longer each time.
      while (kill % 2 === 0 && cursor() === killedAt) await sleep(5)
      await sleep(random.below(200))
      killedAt = cursor()
      const [pid] = lyceum.host.stores.pids
      if (pid === undefined) kill -= 1
      else process.kill(pid, 'SIGKILL')
    }
    const events = await load.stop()
    await lyceum.settled()
    const { json } = await lyceum.call('GET', '/v1/queries/keeper/found')
    expect(json).toEqual({
      kept: events,
      files: events,
      lines: events,
      differ: [],
      last: json.batch,
      batch: expect.any(Number),
    })
    expect((await lyceum.call('GET', '/v1/plugins/keeper')).json).toMatchObject({ deadLetters: 0 })
    await lyceum.close()
    await expectWhole(join(lyceum.dataDir, 'plugins', 'keeper.1'))
    expect(new Set(Object.values(await integrity(lyceum.dataDir)))).toEqual(new Set(['ok']))
  },
  60_000 + KILLS * 10_000,
)

/** That every content that a row tells of is on the disk, whole, and that nothing else is. */
async function expectWhole(path: string): Promise<void> {
  const sqlite = new DatabaseSync(`${path}.db`)
  const column = (sql: string) =>
    sqlite
      .prepare(sql)
      .all()
      .map((row) => Object.values(row)[0])
  const known = column('SELECT hash FROM lyceum_blobs').map(String)
  const contents = new Map<string, Buffer>()
  for (const hash of known) {
    const kept = join(`${path}.files`, hash.slice(0, 2), hash)
    const content = await readFile(existsSync(kept) ? kept : join(`${path}.files`, 'pending', hash))
    expect(createHash('sha256').update(content).digest('hex')).toBe(hash)
    contents.set(hash, content)
  }
  const files = sqlite.prepare('SELECT * FROM lyceum_files').all()
  for (const file of files) {
    const chunks = sqlite
      .prepare('SELECT hash FROM lyceum_chunks WHERE path = ? ORDER BY at')
      .all(String(file.path))
      .map(({ hash }) => contents.get(String(hash)) ?? Buffer.alloc(0))
    expect(Buffer.concat(chunks).length).toBe(file.bytes)
    const [only] = chunks
    if (chunks.length === 1 && only !== undefined && file.path !== 'log.txt')
      expect(createHash('sha256').update(only).digest('hex')).toBe(file.hash)
  }
  const refs =
    'SELECT count(*) FROM lyceum_blobs WHERE refs != (SELECT count(*) FROM lyceum_chunks AS c WHERE c.hash = lyceum_blobs.hash)'
  expect(column(refs)).toEqual([0])
  expect(column('SELECT files - (SELECT count(*) FROM lyceum_files) FROM lyceum_file_totals')).toEqual([0])
  expect(
    column('SELECT bytes - (SELECT sum(max(bytes, 4096)) FROM lyceum_files) FROM lyceum_file_totals'),
  ).toEqual([0])
  expect(
    column('SELECT blob_bytes - (SELECT sum(max(bytes, 4096)) FROM lyceum_blobs) FROM lyceum_file_totals'),
  ).toEqual([0])
  sqlite.close()
  const onDisk = (await readdir(`${path}.files`, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
  expect(new Set(onDisk)).toEqual(new Set(known))
}
