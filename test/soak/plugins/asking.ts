import { onEvent, query } from '@lyceum/sdk'

interface Answer {
  _id: number
  answer: number | undefined
}

/** Asks another plugin inside of its transaction. */
export const ask = onEvent('question', async ({ events, db, plugins: { oracle } }) => {
  const numbers = events.map(({ event }) => Number(event.n))
  await db.collection<Answer>('asked').insertMany(numbers.map((_id) => ({ _id, answer: 0 })))
  const answers = (await oracle?.doubles?.<number[]>({ numbers: numbers.join(',') })) ?? []
  for (const [at, _id] of numbers.entries())
    await db.collection<Answer>('asked').updateOne({ _id }, { $set: { answer: answers[at] } })
})

export const size = query(async ({ db }) => ({ asked: await db.collection('asked').countDocuments() }))
