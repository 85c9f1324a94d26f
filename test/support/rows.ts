import { KEY_BYTES, type Row, type Rows } from '../../host/events/rows.ts'

/** Packed rows one by one, as they were before they were packed. */
export function unpacked(rows: Rows): Row[] {
  return Array.from(rows.ends, (end, at) => ({
    key: Buffer.from(rows.keys.subarray(at * KEY_BYTES, (at + 1) * KEY_BYTES)).toString('hex'),
    type: rows.types[rows.typeAt[at] ?? -1] ?? '',
    course: rows.courses[rows.courseAt[at] ?? -1],
    text: Buffer.from(rows.texts.subarray(rows.ends[at - 1] ?? 0, end)).toString(),
  }))
}
