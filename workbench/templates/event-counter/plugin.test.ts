import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { course, load } from '@lyceum/sdk/testing'

// A made-up course, with everything that its learners did, sent to the plugin as an LMS would.
const sample = course({ learners: 50 })
const p = await load(import.meta.dirname)
after(() => p.close())
await p.events(sample)

test('the videos played most come first, each with all of its plays', async () => {
  const videos = await p.plugins.self.top({ course: sample.id })
  const expected = [...sample.truth().playsByVideo.values()].sort((a, b) => b - a).slice(0, 10)
  assert.deepEqual(
    videos.map(({ n }) => n),
    expected,
  )
})

test('the page shows them', async () => {
  const [first] = await p.plugins.self.top({ course: sample.id })
  const page = await p.views.popular({ course: sample.id })
  assert.match(page, new RegExp(`What is watched.*${first?.video}`, 's'))
})

test('a course in which nothing was played has an empty page', async () => {
  const page = await p.views.popular({ course: 'course-v1:Nobody+NONE+2026' })
  assert.match(page, /No video has been played yet/)
})
