import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type TestHost } from '../../support/host.ts'

const SOURCE = `import { query } from '@lyceum/sdk'
export const rows = query(() => [{ user: 'ann', n: 1 }, { user: '=bob', n: -2 }])
export const wide = query(() => Array.from({ length: 1001 }, (_, n) => ({ ['k' + n]: n })))
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

  test('is refused with what to do where the table would be many times the result', async () => {
    const [wide, huge] = await Promise.all([ask('wide', 'text/csv'), ask('huge', 'text/csv')])
    expect(wide).toMatchObject({ status: 502, json: { code: 'over_output' } })
    expect(wide.json.detail).toContain('Return rows with the same keys')
    expect(huge).toMatchObject({ status: 502, json: { code: 'over_output' } })
    expect(huge.json.detail).toContain('cells')
    expect((await ask('rows', 'text/csv')).status).toBe(200)
  })
})
