import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { course } from '@lyceum/sdk/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { shapeEdx } from '../../host/events/edx.ts'
import { type AuthorFolder, authorFolder } from './author-folder.ts'

const DATA = join(import.meta.dirname, '../../../shared/data/edx')
type Line = Record<string, unknown>

let author: AuthorFolder
beforeAll(async () => {
  author = await authorFolder('events')
})
afterAll(() => author.remove())

/** Each line as a constant of its event's type, one for each shape; what the compiler says names what it holds. */
async function check(lines: readonly Line[]): Promise<{ types: Set<string>; said: string[] }> {
  const shapes = new Map<string, { type: string; text: string }>()
  for (const line of lines) {
    shapeEdx(line)
    const { event_type: type, event_source: source, event } = line
    // A form that was cut has no type of its own.
    if (typeof event === 'string') continue
    if (typeof type !== 'string' || type.startsWith('/')) continue
    const text = JSON.stringify({ event_type: type, event_source: source, event })
    shapes.set(`${type} ${String(source)} ${shapeOf(event)}`, { type, text })
  }
  const found = [...shapes.values()]
  await author.write(
    'events.ts',
    [
      "import type { EventOf } from '@lyceum/sdk'",
      "type Sent<E> = E extends unknown ? Pick<E & { event: unknown; event_type?: string; event_source?: string }, 'event' | 'event_type' | 'event_source'> : never",
      ...found.map(
        ({ type, text }, n) => `export const e${n}: Sent<EventOf<${JSON.stringify(type)}>> = ${text}`,
      ),
    ].join('\n'),
  )
  const said = (await author.check()).map(
    ({ line, message }) => `${found[line - 3]?.text.slice(0, 400)}: ${message}`,
  )
  return { types: new Set(found.map(({ type }) => type)), said }
}

function shapeOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value
  if (Array.isArray(value)) return `[${[...new Set(value.map(shapeOf))]}]`
  return `{${Object.entries(value).map(([key, item]) => `${key.length > 30 ? '*' : key}:${shapeOf(item)}`)}}`
}

describe('the types of edX’s events', () => {
  test('are those of the sample course', async () => {
    const { types, said } = await check([...course({ learners: 30 }).lines()].flatMap(parsed))
    expect(said).toEqual([])
    expect([...types]).toEqual(
      expect.arrayContaining(['play_video', 'problem_check', 'edx.forum.thread.created']),
    )
  })

  test('are those of real tracking logs', async ({ skip }) => {
    if (!existsSync(DATA)) skip('there are no real logs here')
    const files = globSync('**/*.log', { cwd: DATA })
    const logs = files.flatMap((file) => readFileSync(join(DATA, file), 'utf8').split('\n').flatMap(parsed))
    const examples: { event: Line }[] = JSON.parse(
      readFileSync(join(DATA, 'docs-events/examples.json'), 'utf8'),
    )
    const { types, said } = await check([...logs, ...examples.map(({ event }) => event)])
    expect(said).toEqual([])
    expect(types.size).toBeGreaterThan(20)
  })

  test('refuse what is not one', async () => {
    const { said } = await check([
      { event_type: 'play_video', event_source: 'browser', event: { id: 'v', currentTime: '1' } },
      { event_type: 'problem_check', event_source: 'server', event: { problem_id: 'p' } },
    ])
    expect(said).toEqual([
      expect.stringContaining("Type 'string' is not assignable to type 'number'"),
      expect.stringContaining('missing the following properties'),
    ])
  })
})

function parsed(line: string): Line[] {
  const start = line.indexOf('{')
  try {
    return start < 0 ? [] : [JSON.parse(line.slice(start))]
  } catch {
    return []
  }
}
