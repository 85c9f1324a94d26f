import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { course, load } from '@lyceum/sdk/testing'

// A made-up course, with everything that its learners did, sent to the plugin as an LMS would. Real logs have
// lines that were cut off; here every attempt is whole, so that all can be counted.
const sample = course({ learners: 50, defects: false })
const p = await load(import.meta.dirname)
after(() => p.close())
await p.events(sample)

test('the hardest problems come first', async () => {
  const problems = await p.plugins.self.difficulty({ course: sample.id })
  assert.ok(problems.length > 3)
  assert.deepEqual(
    problems,
    problems.toSorted((a, b) => b.wrong - a.wrong || b.attempts - a.attempts),
  )
})

test('every attempt is counted', async () => {
  const problems = await p.plugins.self.difficulty({ course: sample.id })
  const expected = [...sample.events()].filter(
    ({ event_type, event_source }) => event_type === 'problem_check' && event_source === 'server',
  ).length
  assert.equal(
    problems.reduce((sum, { attempts }) => sum + attempts, 0),
    expected,
  )
})

test('the view is a chart, for those who teach the course', async () => {
  assert.match(await p.views.hardest({ course: sample.id }), /Wrong attempts by problem/)
  const student = p.as({ role: 'student', user: 'ann', courses: [sample.id] })
  await assert.rejects(student.views.hardest({ course: sample.id }))
})
