import { describe, expect, test } from 'vitest'
import { describeEndpoints } from '../../../host/registry/descriptions.ts'
import { decodeSourceMap } from '../../../host/registry/source-map.ts'

function describing(source: string): string | undefined {
  const map = decodeSourceMap(
    JSON.stringify({ version: 3, sources: ['plugin.ts'], sourcesContent: [source], mappings: '' }),
  )
  return describeEndpoints(map, [{ name: 'top', source: 'plugin.ts' }]).get('top')
}

describe('the description of an endpoint', () => {
  test.each([
    ['of one line', '/** The top. */\nexport const top = 1', 'The top.'],
    ['of several lines', '/**\n * The top\n *\n *   of all.\n */\n\nexport const top = 1', 'The top of all.'],
    ['up to a tag', '/**\n * The top.\n * @param x not this\n */\nexport const top = 1', 'The top.'],
    ['without control characters', '/** The\u0007 top. */ export const top = 1', 'The  top.'],
    [
      'after a text that looks like the start of one',
      "const a = 'x/**'\n/** The top. */ export const top = 1",
      'The top.',
    ],
  ])('is the comment before it: %s', (_, source, description) => {
    expect(describing(source)).toBe(description)
  })

  test.each([
    ['of another export', '/** Other. */\nexport const other = 1\nexport const top = 1'],
    ['that is not TSDoc', '/* The top. */\nexport const top = 1'],
    ['with code between', '/** The top. */\nconst a = 1\nexport const top = a'],
    ['that is empty', '/** */\nexport const top = 1'],
    ['that is hardly one', '/**/ export const top = 1'],
    ['that ends twice', '/** a */ */ export const top = 1'],
  ])('is not a comment %s', (_, source) => {
    expect(describing(source)).toBeUndefined()
  })

  test('is cut to 500 characters', () => {
    const description = describing(`/** ${'word '.repeat(10_000)} */ export const top = 1`)
    expect(description?.length).toBeLessThanOrEqual(500)
    expect(description).toMatch(/word…$/)
  })

  test('costs little in a source of nothing but comments', () => {
    expect(
      describing(`${'*/ export const a = 1;'.repeat(200_000)}/** The top. */ export const top = 1`),
    ).toBe('The top.')
  })
})
