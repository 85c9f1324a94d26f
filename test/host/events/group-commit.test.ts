import { expect, test } from 'vitest'
import { GroupCommit } from '../../../host/events/group-commit.ts'

interface Request {
  count: number
  rows: string[]
}

function request(...rows: string[]): Request {
  return { count: rows.length, rows }
}

function counting(groupRows: number) {
  const commits: number[][] = []
  const group = new GroupCommit<Request, string>((requests) => {
    commits.push(requests.map(({ count }) => count))
    if (requests.some(({ rows }) => rows.includes('bad'))) throw new Error('disk')
    return requests.map(({ rows }) => rows.join('+'))
  }, groupRows)
  return { commits, group }
}

test('what is there together is committed together, and each gets its own result', async () => {
  const { commits, group } = counting(100)
  const results = await Promise.all([
    group.add(request('a', 'b')),
    group.add(request('c')),
    group.add(request('d', 'e', 'f')),
  ])
  expect(results).toEqual(['a+b', 'c', 'd+e+f'])
  expect(commits).toEqual([[2, 1, 3]])
})

test('a group that is full does not wait for more', async () => {
  const { commits, group } = counting(3)
  const results = await Promise.all(['a', 'b', 'c', 'd'].map((row) => group.add(request(row))))
  expect(results).toEqual(['a', 'b', 'c', 'd'])
  expect(commits).toEqual([[1, 1, 1], [1]])
})

test('a commit that fails fails for everyone in it, and for nobody else', async () => {
  const { commits, group } = counting(100)
  const together = await Promise.allSettled([group.add(request('a')), group.add(request('bad'))])
  expect(together.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await group.add(request('c'))).toBe('c')
  expect(commits).toEqual([[1, 1], [1]])
})
