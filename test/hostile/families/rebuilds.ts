import { type Family, LOOP, rebuilt } from '../plugin.ts'

export const rebuilds: Family = {
  title: 'handlers that behave until they are rebuilt',
  stoppedBy:
    'a rebuild runs handlers as they run live, in data of its own: the same ladder, dead letters and limits; where it ends, what was read before stays: `handler_halted`, `database_full`',
  inSoak: [
    'never ends when it is rebuilt',
    'writes without end when it is rebuilt',
    'never ends in a job that a rebuild runs',
    'is rebuilt again and again',
  ],
  plugins: [
    rebuilt(
      'throws as the host would when it is rebuilt',
      "if (again) throw Object.assign(new Error('The host failed at this.'), { name: 'LyceumError', code: 'internal', stack: 'LyceumError: x\\n    at Rebuild.run (/host/dispatch/rebuild.js:1:1)' })",
      ['ok'],
      { answers: /"code":"plugin_failed"/ },
    ),
    rebuilt('never ends when it is rebuilt', 'if (again) for (;;);', ['ok'], {
      answers: /"strikes":[1-9]/,
    }),
    rebuilt(
      'writes without end when it is rebuilt',
      "if (again) for (let n = 0; ; n++) await db.collection('c').insertOne({ _id: n, text: 'x'.repeat(50_000) })",
      ['ok', 'database_full'],
      {
        answers: /"code":"(?:over_bytes|over_ops|database_full)"/,
        quota: { databaseMb: 1, bytesPerCall: 8_000_000, cpuMsPerCall: 1_000 },
      },
    ),
    rebuilt('never ends in a job that a rebuild runs', '', LOOP, {
      top: "export const job = cron('SCHEDULE', () => { for (;;); })",
    }),
    rebuilt('is rebuilt again and again', 'if (again) await null', ['ok'], { times: 5 }),
  ],
}
