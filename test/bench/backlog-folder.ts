import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { accept } from '../../host/events/accept.ts'
import { LogFile } from '../../host/events/log-file.ts'
import { LIMITS } from '../../host/limits.ts'
import { bodiesOf } from './events.ts'

/** Events that are made one by one; the rest are the same with other keys. */
const MADE = 10_000

/** A data folder whose log holds events that no handler has seen. Appending millions would take minutes. */
export async function backlogFolder(type: string, events: number): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'lyceum-backlog-'))
  const path = join(dataDir, 'events.db')
  const log = new LogFile(path)
  for (const body of bodiesOf(type, MADE)) log.append([accept(body, { receivedMs: Date.now() }, LIMITS).rows])
  log.close()
  const db = new DatabaseSync(path)
  db.exec(`
    PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; BEGIN;
    WITH RECURSIVE copies (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < ${events / MADE - 1})
    INSERT INTO events (seq, key, type, received, text)
      SELECT seq + ${MADE} * n, CAST(printf('%016x', seq + ${MADE} * n) AS BLOB), type, received, text
      FROM copies CROSS JOIN events WHERE seq <= ${MADE} ORDER BY n, seq;
    INSERT OR IGNORE INTO type_blocks SELECT DISTINCT type, seq / 1024 FROM events;
    COMMIT;`)
  db.close()
  return dataDir
}
