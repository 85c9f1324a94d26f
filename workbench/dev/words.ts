import type { DevRecord } from './records.ts'

/** What became of the data at a reload, as a clause. */
export function becauseOf({ data, because }: Extract<DevRecord, { type: 'reload' }>): string {
  if (data === 'kept') return 'its data are kept'
  return `its data are made anew, because ${because}`
}
