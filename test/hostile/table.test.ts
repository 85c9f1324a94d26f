import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FAMILIES } from './families/index.ts'
import type { Family } from './plugin.ts'
import { withTable } from './table.ts'

const README = join(import.meta.dirname, '../../sandbox/README.md')

test('the table of hostile plugins in sandbox/README.md is what the corpus says', () => {
  const text = readFileSync(README, 'utf8')
  const written = withTable(text)
  if (process.env.LYCEUM_WRITE !== undefined) writeFileSync(README, written)
  else expect(text, 'write it by LYCEUM_WRITE=1 npx vitest run test/hostile/table.test.ts').toBe(written)
})

test('no two plugins have the same name, and every one may end in some way', () => {
  const plugins = Object.values(FAMILIES).flatMap((families) =>
    families.flatMap((family) => [...family.plugins]),
  )
  const names = plugins.map(({ name }) => name)
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
  for (const { name, ends } of plugins) expect(ends.length, name).toBeGreaterThan(0)
  expect(plugins.length).toBeGreaterThan(120)
  const inSoak = Object.values(FAMILIES).flatMap((families) =>
    families.flatMap(({ inSoak = [] }: Family) => inSoak),
  )
  expect(inSoak.filter((name) => !names.includes(name))).toEqual([])
})
