import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { course } from '../../sdk/testing/index.ts'
import { longTest } from '../support/long.ts'
import { type SpawnedHost, spawnHost } from '../support/spawned-host.ts'
import { run } from './run.ts'

const sample = course()

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-start-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const data = () => join(folder, 'data')
async function client(host: SpawnedHost, dataDir = data()) {
  const { stdout } = await run(folder, ['token', 'admin', '--data', dataDir])
  const headers = { authorization: `Bearer ${stdout.trim()}` }
  const get = async (path: string) => (await fetch(host.url + path, { headers })).json()
  return { token: stdout.trim(), get, query: (path: string) => get(`/v1/queries/${path}`) }
}

/** Waits until a value that the host tells is there: it works on after its answer to a sender. */
async function until<T>(read: () => Promise<T>, done: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read()
    if (done(value)) return value
    await sleep(50)
  }
}
/** The plays of each video, once all of them are counted. */
async function plays({ query }: Awaited<ReturnType<typeof client>>, truth: Map<string, number>) {
  const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, n) => total + n, 0)
  const totals = await until<{ video: string; plays: number }[]>(
    () => query('video/totals'),
    (videos) => sum(videos.map((video) => video.plays)) >= sum(truth.values()),
  )
  return new Map(totals.map((video) => [video.video, video.plays]))
}

describe('lyceum start', () => {
  test('first says where it listens and how to sign in, installs its plugins and loads the sample course', async () => {
    const host = await spawnHost(data(), [])
    try {
      await until(
        async () => host.output(),
        (output) => output.includes('Loaded '),
      )
      const [first, second, third, fourth, fifth, sixth] = host.output().split('\n')
      expect(first).toMatch(/^Lyceum is listening on http:\/\/127\.0\.0\.1:\d+$/)
      expect(second).toMatch(
        /^Sign in once, within 15 minutes: http:\/\/127\.0\.0\.1:\d+\/sign-in\?token=\S+$/,
      )
      expect(third).toBe(
        `Begin a plugin, in any folder: npx --package ${host.url}/sdk.tgz lyceum init myPlugin`,
      )
      expect(fourth).toBe(`Publish with: npx lyceum publish DIR --url ${host.url} --data ${data()}`)
      expect(fifth).toBe(`Loading the sample course "${sample.title}" …`)
      const { events } = sample.truth()
      expect(sixth).toBe(
        `Loaded ${events} events of ${sample.learners.length} learners, as ?course=${sample.id}`,
      )
      const api = await client(host)
      const plugins: { id: string; state: string }[] = await api.get('/v1/plugins')
      expect(plugins.map(({ id, state }) => `${id} ${state}`)).toEqual([
        'activity active',
        'eventDump active',
        'hello active',
        'video active',
      ])
      expect(await plays(api, sample.truth().playsByVideo)).toEqual(sample.truth().playsByVideo)
    } finally {
      expect(await host.stop('SIGINT')).toBe(0)
    }
    expect(host.output()).toContain('Stopping: batches under way end first.')
  })

  longTest('finishes a sample course that was interrupted, and counts none of it twice', async () => {
    const interrupted = join(folder, 'cut-off')
    const first = await spawnHost(interrupted, [])
    await until(
      async () => first.output(),
      (output) => output.includes('Loading the sample course'),
    )
    await first.stop('SIGKILL')
    expect(first.output()).not.toContain('Loaded ')
    const second = await spawnHost(interrupted, [])
    try {
      await until(
        async () => second.output(),
        (output) => output.includes('Loaded '),
      )
      const api = await client(second, interrupted)
      expect(await plays(api, sample.truth().playsByVideo)).toEqual(sample.truth().playsByVideo)
    } finally {
      await second.stop('SIGINT')
    }
    const third = await spawnHost(interrupted, [])
    expect(await third.stop('SIGINT')).toBe(0)
    expect(third.output()).not.toContain('Loading')
  })

  test('the second time has everything still, loads and installs nothing again, and yields its folder and port to no other', async () => {
    const host = await spawnHost(data(), [])
    try {
      const api = await client(host)
      expect(await plays(api, sample.truth().playsByVideo)).toEqual(sample.truth().playsByVideo)
      expect((await api.get('/v1/plugins/video')).versions).toHaveLength(1)
      const metrics = await fetch(`${host.url}/metrics`, {
        headers: { authorization: `Bearer ${api.token}` },
      })
      expect(await metrics.text()).toContain(`\nlyceum_log_position ${sample.truth().events}\n`)

      const folderTaken = await run(folder, ['start', '--port', '0', '--data', data()])
      expect([folderTaken.code, folderTaken.stdout]).toEqual([1, ''])
      expect(folderTaken.stderr).toMatch(/^error data_locked: /)
      const { port } = new URL(host.url)
      const portTaken = await run(folder, ['start', '--port', port, '--data', join(folder, 'other')])
      expect(portTaken.code).toBe(1)
      expect(portTaken.stderr).toMatch(new RegExp(`^error port_taken: Port ${port} is in use\\..*--port 0`))
      expect((await fetch(`${host.url}/readyz`)).status).toBe(200)
    } finally {
      expect(await host.stop('SIGTERM')).toBe(0)
    }
    expect(host.output()).not.toContain('sample course')
    expect(host.output()).not.toContain('has changed')
  })

  longTest(
    'is stopped while the sample course loads: it ends in order and keeps what was accepted',
    async () => {
      const interrupted = join(folder, 'interrupted')
      const host = await spawnHost(interrupted, [])
      await until(
        async () => host.output(),
        (output) => output.includes('Loading '),
      )
      expect(await host.stop('SIGINT')).toBe(0)
      expect(host.output()).not.toMatch(/ {4}at |Error|error/)
    },
  )

  test('reads LYCEUM_PORT and LYCEUM_DATA, and refuses what they cannot be', async () => {
    const { code, stderr } = await run(folder, ['start'], {
      env: { LYCEUM_PORT: 'http', LYCEUM_DATA: data() },
    })
    expect([code, stderr]).toEqual([
      2,
      'error config_invalid: LYCEUM_PORT is "http", but must be a whole number from 0 to 65535 (0 picks a free port).\n',
    ])
  })
})

describe('lyceum load', () => {
  longTest('loads a course into a host, and counts nothing twice when it is run again', async () => {
    const other = course({ learners: 12, weeks: 2, seed: 'other', courseId: 'course-v1:Load+L+1' })
    const truth = other.truth()
    const log = join(folder, 'tracking.log')
    await writeFile(log, [...other.lines()].join('\n'))
    const dataDir = join(folder, 'loaded')
    const host = await spawnHost(dataDir)
    try {
      const api = await client(host, dataDir)
      // With the address and the keys of the host's own machine.
      const env = { LYCEUM_PORT: new URL(host.url).port, LYCEUM_DATA: dataDir }
      const first = await run(folder, ['load', log, '--json'], { env })
      expect(first.code).toBe(0)
      expect(JSON.parse(first.stdout)).toMatchObject({ accepted: truth.events, duplicates: truth.duplicates })
      expect(await plays(api, truth.playsByVideo)).toEqual(truth.playsByVideo)
      const before = await api.query('video/totals')
      const again = await run(folder, ['load', log, '--json'], { env })
      expect(JSON.parse(again.stdout)).toMatchObject({
        accepted: 0,
        duplicates: truth.events + truth.duplicates,
      })
      expect(await api.query('video/totals')).toEqual(before)
      const refused = await run(folder, ['load', log], { env: { ...env, LYCEUM_TOKEN: 'x.y.z' } })
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('error token_invalid: ')])
    } finally {
      await host.stop('SIGTERM')
    }
  })
})
