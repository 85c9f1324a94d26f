import { type AuthorFolder, authorFolder } from '../types/author-folder.ts'
import type { Told } from './author.ts'
import { code, type Mistake } from './mistake.ts'

/** What an editor underlines, and `tsc` says, before anything else is asked. Some of it shows nowhere else. */
export const MISTAKES_IN_TYPES: readonly Mistake[] = [
  {
    title: 'An event is changed',
    files: code(
      "import { onEvent } from '@lyceum/sdk'",
      '',
      "export const count = onEvent('pause_video', ({ events }) => {",
      "  for (const e of events) e.event_type = 'stopped'",
      '})',
    ),
    shows: 'types',
    code: 'TS2540',
    at: 'plugin.ts:4',
    says: 'read-only property',
  },
  {
    title: 'A parameter that was not declared',
    files: code(
      "import { query, t } from '@lyceum/sdk'",
      '',
      'export const top = query({ params: { limit: t.number() } }, ({ params }) => params.limt)',
    ),
    shows: 'types',
    code: 'TS2551',
    at: 'plugin.ts:3',
    says: "Did you mean 'limit'?",
  },
  {
    title: 'A field of what is not awaited',
    files: code(
      "import { query } from '@lyceum/sdk'",
      '',
      "export const one = query(({ db }) => db.collection<{ n: number }>('plays').findOne({ n: 1 }).n)",
    ),
    shows: 'types',
    code: 'TS2339',
    at: 'plugin.ts:3',
    says: "'n' does not exist on type 'Promise",
  },
  {
    title: 'The counts of a write that was not waited for',
    files: code(
      "import { onEvent } from '@lyceum/sdk'",
      '',
      "export const count = onEvent('play_video', async ({ db, log }) => {",
      "  const done = await db.collection('plays').updateOne({ _id: 'a' }, { $inc: { n: 1 } })",
      '  log(done.modifiedCount)',
      '})',
    ),
    shows: 'types',
    code: 'TS2339',
    at: 'plugin.ts:5',
    says: "'modifiedCount' does not exist",
  },
  {
    title: 'A field that the documents do not have',
    files: code(
      "import { query } from '@lyceum/sdk'",
      '',
      "export const all = query(({ db }) => db.collection<{ n: number }>('plays').find({ m: 1 }).toArray())",
    ),
    shows: 'types',
    code: 'TS2353',
    at: 'plugin.ts:3',
    says: "'m' does not exist",
  },
]

/** What the compiler says of each, asked once. */
export async function compile(mistakes: readonly Mistake[]): Promise<Told[]> {
  const folder: AuthorFolder = await authorFolder('plays')
  try {
    for (const [index, { files }] of mistakes.entries()) await folder.write(`m${index}.ts`, String(files))
    const said = await folder.check()
    return mistakes.map((_, index) => {
      const first = said.find(({ file }) => file === `m${index}.ts`)
      const [number = 'none', ...message] = first?.message.split(': ') ?? []
      return { code: number, message: message.join(': '), at: first && `plugin.ts:${first.line}` }
    })
  } finally {
    await folder.remove()
  }
}
