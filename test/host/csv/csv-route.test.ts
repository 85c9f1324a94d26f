import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'

const SOURCE = `import { query } from '@lyceum/sdk'
export const rows = query(() => [{ user: 'ann', n: 1 }, { user: '=bob', n: -2 }])
export const wide = query(() => Array.from({ length: 1001 }, (_, n) => ({ ['k' + n]: n })))
export const slow = query({ cacheSeconds: 3_600 }, () => Array.from({ length: 800 }, (_, n) => n < 700 ? { ['k' + n]: n } : {}))
export const huge = query(() => Array.from({ length: 6_000 }, (_, n) => n < 999 ? { ['k' + n]: n } : {}))
`

let host: TestHost

beforeAll(async () => {
  host = await startHost()
  await host.publish('table', SOURCE)
})
afterAll(() => host.dispose())

const ask = (path: string, accept?: string) =>
  host.call('GET', `/v1/queries/table/${path}`, { ...(accept && { headers: { accept } }) })

describe('a query asked for CSV', () => {
  test('gives a file, by the header or by the address', async () => {
    const csv = "user,n\r\nann,1\r\n'=bob,-2\r\n"
    const answer = await ask('rows', 'text/csv')
    expect(answer.text).toBe(csv)
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="rows.csv"')
    expect(answer.headers.get('lyceum-version')).toBe('1.0.0')
    expect((await ask('rows?format=csv')).text).toBe(csv)
  })

  test('gives JSON to whoever does not prefer CSV', async () => {
    expect((await ask('rows', 'application/json, text/csv;q=0.5')).json).toHaveLength(2)
    expect((await ask('rows', '*/*')).json).toHaveLength(2)
    expect((await ask('rows?format=json', 'text/csv')).json).toHaveLength(2)
    expect(await ask('rows?format=xml')).toMatchObject({ status: 400, json: { code: 'bad_parameter' } })
  })

  test('waits for those of its own plugin, and not in the place of others', async () => {
    await host.publish('other', SOURCE)
    expect((await ask('slow')).status).toBe(200)
    const many = Array.from({ length: 30 }, () => ask('slow', 'text/csv'))
    const refused = await Promise.any(
      many.map(async (asking) => {
        const answer = await asking
        return answer.status === 200 ? Promise.reject(answer) : answer
      }),
    )
    expect(refused.json).toMatchObject({ code: 'over_concurrency' })
    const others = [1, 2, 3].map(() => host.call('GET', '/v1/queries/other/rows?format=csv'))
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual([200, 200, 200])
    await Promise.all(many)
  })

  test('is refused with what to do where the table would be many times the result', async () => {
    const [wide, huge] = await Promise.all([ask('wide', 'text/csv'), ask('huge', 'text/csv')])
    expect(wide).toMatchObject({ status: 502, json: { code: 'over_output' } })
    expect(wide.json.detail).toContain('Return rows with the same keys')
    expect(huge).toMatchObject({ status: 502, json: { code: 'over_output' } })
    expect(huge.json.detail).toContain('cells')
    expect((await ask('rows', 'text/csv')).status).toBe(200)
  })
})
