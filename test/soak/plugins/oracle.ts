import { query, t } from '@lyceum/sdk'

export const factor = query(() => 2)

/** Each number doubled; it asks itself for the factor, so that those who ask it are two calls deep. */
export const doubles = query(
  { params: { numbers: t.string({ max: 10_000 }) } },
  async ({ params, plugins: { self } }) => {
    const factor = (await self.factor?.<number>()) ?? 0
    return params.numbers.split(',').map((n) => Number(n) * factor)
  },
)
