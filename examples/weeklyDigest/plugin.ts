import { cron, html, onEvent, view } from '@lyceum/sdk'

interface Week {
  _id: 'now'
  posts: number
  answers: number
}

interface Digest extends Omit<Week, '_id'> {
  written: Date
}

/** Counts what is going on, in one document. */
export const count = onEvent(
  { where: { event_type: ['edx.forum.thread.created', 'problem_check'] } },
  async ({ events, db }) => {
    const posts = events.filter((e) => e.props.type === 'edx.forum.thread.created').length
    const answers = events.length - posts
    await db
      .collection<Week>('week')
      .updateOne({ _id: 'now' }, { $inc: { posts, answers } }, { upsert: true })
  },
)

/** Mondays at 6:00 UTC: keeps what was counted, and starts again at 0. Both happen, or neither. */
export const digest = cron('0 6 * * 1', async ({ db, now }) => {
  const week = await db.collection<Week>('week').findOne({ _id: 'now' })
  const { posts = 0, answers = 0 } = week ?? {}
  await db.collection<Digest>('digests').insertOne({ posts, answers, written: now() })
  await db.collection<Week>('week').deleteOne({ _id: 'now' })
})

/** The newest digest. */
export const latest = view(async ({ db }) => {
  const [digest] = await db.collection<Digest>('digests').find().sort({ written: -1 }).limit(1).toArray()
  if (digest === undefined) return html`<p>The first digest comes on Monday.</p>`
  const { written, posts, answers } = digest
  return html`<p>The week up to ${written.toISOString().slice(0, 10)}: ${posts} new threads, ${answers} answers to problems.</p>`
})
