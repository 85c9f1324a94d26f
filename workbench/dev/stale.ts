import type { PartName } from './page.ts'
import type { DevRecord } from './records.ts'

/** The parts of the page that are not what they were, after something happened. */
export function partsChangedBy(record: DevRecord): readonly PartName[] {
  switch (record.type) {
    case 'reload':
      return ['result', 'status', 'faults', 'endpoints', 'about', 'activity', 'kept', 'publish']
    case 'rebuilt':
      return ['result', 'status', 'activity', 'kept']
    case 'events':
      return ['people', 'activity']
    case 'fault':
    case 'mended':
      return ['faults', 'status']
    case 'log':
      return ['logs']
    case 'needs':
      return ['publish']
    case 'clock':
      return ['clock', 'result', 'kept']
    case 'activity':
      // A result that would be drawn anew with every batch could not be looked at.
      return isThrough(record) ? ['activity', 'kept', 'result'] : ['activity', 'kept']
    case 'ready':
      return []
  }
}

function isThrough({ head, handlers }: Extract<DevRecord, { type: 'activity' }>): boolean {
  return handlers.length > 0 && handlers.every(({ cursor }) => cursor === head)
}
