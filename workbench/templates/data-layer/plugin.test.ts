import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { course, load } from '@lyceum/sdk/testing'

// A made-up course, with everything that its learners did, sent to the plugin as an LMS would.
const sample = course({ learners: 50 })
const p = await load(import.meta.dirname)
after(() => p.close())
await p.events(sample)

test('activities have their common names', async () => {
  const counts = await p.plugins.self.list({ course: sample.id })
  const plays = [...sample.truth().playsByVideo.values()].reduce((sum, n) => sum + n, 0)
  assert.deepEqual(new Set(counts.map(({ activity }) => activity)), new Set(['watch', 'solve', 'discuss']))
  assert.equal(counts.find(({ activity }) => activity === 'watch')?.n, plays)
})

test('other plugins get them by the common name of the query', async () => {
  const byName = await p.plugins.activityCounts<{ n: number }[]>({ course: sample.id })
  assert.deepEqual(byName, await p.plugins.self.list({ course: sample.id }))
})

test('the page shows them', async () => {
  assert.match(await p.views.activities({ course: sample.id }), /discuss/)
})
