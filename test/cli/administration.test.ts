import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type TestHost } from '../support/host.ts'
import { run } from './run.ts'

let lyceum: TestHost
let env: Record<string, string>
beforeAll(async () => {
  lyceum = await startHost()
  env = { LYCEUM_URL: lyceum.url, LYCEUM_DATA: lyceum.dataDir }
  await lyceum.publish(
    'notes',
    `import { onEvent } from '@lyceum/sdk'
     export const keep = onEvent('note', ({ events, db }) => {
       for (const e of events) db.collection('notes').insertOne({ _id: e.n, text: e.text })
     })`,
  )
  await lyceum.send([1, 2].map((n) => ({ event_type: 'note', n, text: 'é' })))
})
afterAll(() => lyceum.dispose())

const command = (...words: string[]) => run(lyceum.dataDir, words, { env })

test('lyceum export writes all that a plugin keeps to stdout, one thing a line', async () => {
  const { code, stdout, stderr } = await command('export', 'notes')
  expect([code, stderr]).toEqual([0, ''])
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines[0].lyceumExport.plugin).toBe('notes')
  expect(lines.flatMap((line) => line.documents ?? [])).toEqual([
    { _id: 1, text: 'é' },
    { _id: 2, text: 'é' },
  ])
  expect(lines.at(-1)).toEqual({ end: { pages: 1, files: 0 } })
})

test('lyceum uninstall keeps the data or deletes them, and says which', async () => {
  const kept = await command('uninstall', 'notes')
  expect(kept).toMatchObject({ code: 0, stdout: expect.stringContaining('Its data are kept') })
  expect((await command('export', 'notes')).code).toBe(0)
  const unasked = await command('uninstall', 'notes', '--delete-data')
  expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('takes --yes') })
  expect((await command('export', 'notes')).code).toBe(0)
  const deleted = await command('uninstall', 'notes', '--delete-data', '--yes', '--json')
  expect(JSON.parse(deleted.stdout)).toEqual({ plugin: 'notes', version: null, state: 'uninstalled' })
  const gone = await command('export', 'notes')
  expect(gone).toMatchObject({ code: 1, stderr: expect.stringContaining('error plugin_unknown') })
})
