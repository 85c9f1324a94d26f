import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { LyceumError } from '../../host/errors.ts'
import { SharedProcess } from '../../host/shared-process.ts'

test('one request is under way at a time, and so many wait: in all, and of each plugin', async () => {
  const shared = new SharedProcess({
    name: 'echo',
    script: join(import.meta.dirname, 'echo-child.ts'),
    rssCapMb: 1_024,
    requestMs: 10_000,
    mostWaiting: 2,
    mostWaitingOfPlugin: 1,
    onOutput: () => {},
    lost: () => new LyceumError('internal', 'lost'),
  })
  onTestFinished(() => shared.close())
  const end = Promise.withResolvers<void>()
  let underWay = 0
  let most = 0
  const ask = (plugin: string) =>
    shared.inTurn(plugin, async () => {
      underWay += 1
      most = Math.max(most, underWay)
      await end.promise
      underWay -= 1
      return Buffer.from(plugin)
    })
  // Of a one works and one waits for it; b and c wait for their turn.
  const waiting = ['a', 'a', 'b', 'c'].map(ask)
  expect(await ask('a')).toBeUndefined()
  expect(await ask('d')).toBeUndefined()
  end.resolve()
  expect((await Promise.all(waiting)).map(String)).toEqual(['a', 'a', 'b', 'c'])
  expect(most).toBe(1)
  expect(String(await ask('d'))).toBe('d')
})
