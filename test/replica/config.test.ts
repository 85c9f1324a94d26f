import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../host/config.ts'
import { LyceumError } from '../../host/errors.ts'
import { parseReplicas } from '../../host/replicas/config.ts'

const SECRET = 'hunter2@/:?'

function problem(setting: string, env: Record<string, string> = {}): string {
  try {
    return `accepted: ${[...parseReplicas(setting, env).keys()]}`
  } catch (error) {
    if (error instanceof LyceumError && error.code === 'config_invalid') return error.message
    throw error
  }
}

describe('LYCEUM_REPLICAS', () => {
  test('names no replica unless it is set', () => {
    expect(loadConfig({}, {}).replicas.size).toBe(0)
    expect(loadConfig({ LYCEUM_REPLICAS: '' }, {}).replicas.size).toBe(0)
  })

  test('is JSON, or the path of a file with it, with secrets from the environment', async () => {
    const json = JSON.stringify({
      lms: { kind: 'postgres', url: 'postgres://lyceum:${PW}@db/lms', tables: ['auth_user'] },
      forum: { kind: 'mongodb', url: 'mongodb://lyceum@db/forum' },
      old: { kind: 'sqlite', path: '/srv/old.db' },
      shop: { kind: 'mysql', url: 'mariadb://lyceum@db/shop' },
    })
    const folder = await mkdtemp(join(tmpdir(), 'lyceum-'))
    const file = join(folder, 'replicas.json')
    await writeFile(file, json)
    for (const setting of [json, file]) {
      const { replicas } = loadConfig({ LYCEUM_REPLICAS: setting, PW: SECRET }, {})
      expect([...replicas.keys()]).toEqual(['lms', 'forum', 'old', 'shop'])
      expect(replicas.get('lms')).toEqual({
        kind: 'postgres',
        url: `postgres://lyceum:${encodeURIComponent(SECRET)}@db/lms`,
        tables: ['auth_user'],
      })
    }
    await rm(folder, { recursive: true })
  })

  test.each([
    ['{', /it is not well-formed JSON/],
    ['/nowhere/replicas.json', /neither JSON nor the path of a file/],
    ['{"lms":{"kind":"oracle"}}', /at lms/],
    ['{"lms":{"kind":"postgres"}}', /at lms.url/],
    [
      `{"lms":{"kind":"postgres","url":"http://${SECRET}"}}`,
      /at lms.url: must be an address that begins with postgres/,
    ],
    [
      `{"lms":{"kind":"postgres","url":"postgres://a:\${PW}@db/x"}}`,
      /wants \$\{PW\}, which is not in the environment/,
    ],
    [`{"lms":{"kind":"sqlite","path":"x","password":"${SECRET}"}}`, /at lms/],
    ['{"LMS-1":{"kind":"sqlite","path":"x"}}', /"LMS-1" is not a camelCase name/],
    ['{"__proto__":{"kind":"sqlite","path":"x"}}', /accepted: $|__proto__/],
    ['{"lms":{"kind":"sqlite","path":"x","tables":[]}}', /at lms.tables/],
  ])('is refused as %s, without showing what is in it', (setting, message) => {
    const found = problem(setting)
    expect(found).toMatch(message)
    expect(found).not.toContain(SECRET)
  })
})
