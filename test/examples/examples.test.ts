import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compareSnapshots, resultsOf } from '../../workbench/snapshots.ts'
import { longTest } from '../support/long.ts'

const EXAMPLES = join(import.meta.dirname, '../../examples')
const names = readdirSync(EXAMPLES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
/** Plugins that an example asks. */
const ASKED = new Map([['videoReport', ['counting']]])
/** One that asks another, so that two run. */
const SHORT = 'videoReport'

async function differing(name: string): Promise<unknown> {
  const dir = join(EXAMPLES, name)
  const results = await resultsOf(
    dir,
    ASKED.get(name)?.map((other) => join(EXAMPLES, other)),
  )
  const compared = await compareSnapshots(dir, results)
  return {
    differing: compared.filter(({ state }) => state !== 'same'),
    failed: results.failed,
    of: compared.length > 0,
  }
}
const NONE = { differing: [], failed: [], of: true }

test('an example makes of the sample course what stands beside it', async () => {
  expect(await differing(SHORT)).toEqual(NONE)
})

longTest.each(names.filter((name) => name !== SHORT))('so does %s', async (name) => {
  expect(await differing(name)).toEqual(NONE)
})

test('the list of examples names them all, and each has fifteen to fifty lines', () => {
  const list = readFileSync(join(EXAMPLES, 'README.md'), 'utf8')
  expect([...list.matchAll(/^\| \[`(\w+)`\]/gm)].map(([, name]) => name).sort()).toEqual(names.sort())
  for (const name of names) {
    const lines = readFileSync(join(EXAMPLES, name, 'plugin.ts'), 'utf8')
      .trimEnd()
      .split('\n').length
    expect(lines, name).toBeGreaterThanOrEqual(13)
    expect(lines, name).toBeLessThanOrEqual(50)
  }
})
