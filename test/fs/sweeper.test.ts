import { expect, test } from 'vitest'
import { FileSweeper, type Sweepable } from '../../host/storage/files/sweeper.ts'

test('data that are deleted while others are swept are never swept again', async () => {
  const swept: string[] = []
  const sweeper = new FileSweeper(() => 0)
  const gone: Sweepable = {
    sweepFiles: async () => {
      swept.push('gone')
      throw new Error('closed for good')
    },
  }
  const first: Sweepable = {
    sweepFiles: async () => {
      swept.push('first')
      sweeper.forget(gone)
      return { files: 0, contents: 0, dueMs: null }
    },
  }
  sweeper.changed(first)
  sweeper.changed(gone)
  await sweeper.sweep()
  expect(swept).toEqual(['first'])
  sweeper.close()
})
