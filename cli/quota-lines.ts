import { table } from './table.ts'
import { columnsOf } from './terminal.ts'

/** Quotas, each with its limit and what is used of it where that can be said. */
export function quotaLines(
  quota: Readonly<Record<string, number>>,
  use: Readonly<Record<string, number>>,
): string {
  const rows = Object.entries(quota).map(([name, limit]) => {
    const used = use[name]
    return [
      name,
      limit.toLocaleString('en'),
      used === undefined ? '' : `${number(used)} (${share(used, limit)})`,
    ]
  })
  return rows.length === 0 ? '' : table(['quota', 'limit', 'used'], rows, columnsOf())
}

function number(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 1 })
}

function share(used: number, limit: number): string {
  return `${Math.round((100 * used) / limit)}%`
}
