import { readdirSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { describeEndpoints } from '../../host/registry/descriptions.ts'
import { readManifest } from '../../host/registry/manifest.ts'
import { decodeSourceMap } from '../../host/registry/source-map.ts'
import { bundlePlugin } from '../../workbench/bundle.ts'
import { PLUGINS } from './support.ts'

const ENDPOINTS = new Map([
  ['hello', { view: ['hello', 'greet'] }],
  ['eventDump', { collection: ['events'], onEvent: ['keep'], query: ['recent', 'count'], view: ['dump'] }],
  [
    'activity',
    { collection: ['days'], onEvent: ['record'], query: ['daily', 'dailyAll'], view: ['perDay', 'overall'] },
  ],
  ['video', { collection: ['videos'], onEvent: ['count'], query: ['top', 'totals'], view: ['popular'] }],
])

test('every first-party plugin is named here', () => {
  const folders = readdirSync(PLUGINS, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  expect(folders.map(({ name }) => name).sort()).toEqual([...ENDPOINTS.keys()].sort())
})

test.each([...ENDPOINTS])('%s passes the manifest reader, with these endpoints', async (id, expected) => {
  const { bundle, sourceMap, package: described } = await bundlePlugin(path.join(PLUGINS, id))
  const map = decodeSourceMap(sourceMap)
  const { endpoints } = readManifest(bundle, { sourceMap: map })
  const found = Object.groupBy(endpoints, ({ kind }) => kind)
  for (const [kind, names] of Object.entries(expected))
    expect(
      endpoints
        .filter((endpoint) => endpoint.kind === kind)
        .map(({ name }) => name)
        .sort(),
    ).toEqual([...names].sort())
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort())
  expect(described).toMatchObject({ name: id, title: expect.any(String), description: expect.any(String) })

  const shown = endpoints.filter(({ kind }) => kind !== 'collection')
  const descriptions = describeEndpoints(map, endpoints)
  expect(shown.map(({ name }) => descriptions.get(name) ?? `${name} has no description`)).toEqual(
    shown.map(() => expect.stringMatching(/\.$/)),
  )
})

test.each([
  ['hello', 'hello', []],
  ['hello', 'greet', ['user']],
  ['eventDump', 'dump', []],
  ['activity', 'perDay', ['course']],
  ['activity', 'overall', []],
  ['video', 'popular', ['course']],
])('the view %s.%s is about %j', async (id, view, dimensions) => {
  const { bundle } = await bundlePlugin(path.join(PLUGINS, id))
  const { endpoints } = readManifest(bundle)
  expect(endpoints.find(({ name }) => name === view)?.dimensions).toEqual(dimensions)
})
