import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, bundleSource, startHost, type TestHost } from '../../support/host.ts'

let lyceum: TestHost
let ann: string
beforeAll(async () => {
  lyceum = await startHost()
  ann = await lyceum.token({ role: 'author', user: 'ann' })
})
afterAll(() => lyceum.dispose())

const SDK = "import { onEvent, query, view } from '@lyceum/sdk'\n"
async function dry(id: string, source: string, version: string, token?: string): Promise<Answer> {
  const body = await bundleSource(id, SDK + source, version)
  return lyceum.call('POST', `/v1/plugins/${id}/versions?dry=true`, { body, ...(token && { token }) })
}

describe('a dry run of a publish', () => {
  test('of a new plugin tells what it asks for, and keeps nothing', async () => {
    await lyceum.publish('grades', `${SDK}export const top = query({ names: ['marks'] }, () => [1])`)
    const source = 'export const q = query(({ plugins: { grades } }) => grades.top())'
    const answer = await dry('planned', source, '1.0.0', ann)
    expect(answer.status).toBe(200)
    expect(answer.json).toMatchObject({
      version: '1.0.0',
      replaces: null,
      isKnown: false,
      needs: ['plugins.grades'],
      newNeeds: ['plugins.grades'],
      missing: ['plugins.grades'],
      approval: 'pending',
      endpoints: { added: ['q'], removed: [], changed: [] },
      warnings: [],
    })
    expect((await lyceum.call('GET', '/v1/plugins/planned')).json.code).toBe('plugin_unknown')
    // What an admin would publish, an admin would have approved.
    expect((await dry('planned', source, '1.0.0')).json).toMatchObject({ missing: [], approval: 'granted' })
  })

  test('of another version tells how it differs from the one that runs, which runs on', async () => {
    await lyceum.publish(
      'diff',
      `${SDK}export const a = query(() => 1)\nexport const b = query(({ plugins: { grades } }) => grades.top())`,
    )
    const answer = await dry(
      'diff',
      'export const b = query(({ plugins: { grades }, course }) => [course, grades])\nexport const c = view(() => "")',
      '1.1.0',
    )
    expect(answer.json).toMatchObject({
      replaces: '1.0.0',
      isKnown: false,
      needs: ['plugins.grades'],
      newNeeds: [],
      endpoints: { added: ['c'], removed: ['a'], changed: ['b'] },
    })
    expect((await lyceum.call('GET', '/v1/queries/diff/a')).json).toBe(1)
    expect((await lyceum.call('GET', '/v1/plugins/diff')).json.versions).toHaveLength(1)
  })

  test('warns of what others would lose', async () => {
    const answer = await dry('grades', 'export const other = query(() => 1)', '1.1.0')
    expect(answer.json.warnings).toEqual([
      expect.stringMatching(/^diff may ask grades for top, which would go\.$/),
      expect.stringMatching(/^grades answers to the common name "marks"/),
    ])
    await lyceum.publish(
      'counts',
      `${SDK}export const on = onEvent('x', ({ db }) => db.collection('n').insertOne({}))`,
    )
    const handler = await dry('counts', 'export const q = query(() => 1)', '1.1.0')
    expect(handler.json.warnings).toEqual([expect.stringMatching(/^What on has written stays/)])
  })

  test('warns of a view that others show, and of a plugin that is asked and gone', async () => {
    await lyceum.publish('shown', `${SDK}export const page = view(() => '')`)
    const source = 'export const all = view(({ plugins: { shown } }) => shown.page())'
    await lyceum.publish('shows', SDK + source)
    const without = await dry('shown', 'export const other = view(() => "")', '1.1.0')
    expect(without.json.warnings).toEqual(['shows may ask shown for page, which would go.'])
    expect((await lyceum.call('DELETE', '/v1/plugins/shown?force=true')).status).toBe(200)
    expect((await dry('shows', `${source}\n`, '1.1.0')).json.warnings).toEqual([
      expect.stringMatching(/^shown, which it asks, is uninstalled/),
    ])
  })

  test('refuses what a publish would refuse', async () => {
    const exists = await dry('diff', 'export const a = query(() => 2)', '1.0.0')
    expect([exists.status, exists.json.code]).toEqual([409, 'version_exists'])
    const wrong = await dry('diff', 'export const a = query((all) => all)', '1.2.0')
    expect([wrong.status, wrong.json.code]).toEqual([422, 'manifest_refused'])
    const theirs = await dry('diff', 'export const a = query(() => 1)', '1.2.0', ann)
    expect([theirs.status, theirs.json.code]).toEqual([403, 'plugin_denied'])
  })

  test('knows a version that was published already', async () => {
    const source = 'export const a = query(() => 1)'
    await lyceum.publish('again', SDK + source)
    expect((await dry('again', source, '1.0.0')).json).toMatchObject({
      isKnown: true,
      replaces: '1.0.0',
      endpoints: { added: [], removed: [], changed: [] },
    })
  })
})
