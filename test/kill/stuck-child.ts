/** A child that never ends its first request, and a host of it, which prints the child's id: `stuck-child.ts host`. */
import { writeSync } from 'node:fs'
import { SerialProcess } from '../../process/serial-process.ts'
import { serve } from '../../process/serve.ts'

function neverEnds(): string {
  for (;;);
}

if (process.argv[2] === 'host') {
  const child = new SerialProcess({
    name: 'stuck',
    script: import.meta.filename,
    nodeFlags: [],
    confinement: { uid: undefined, writesFiles: false },
    rssCapMb: 1_024,
    maxFrameBytes: 1_024,
    requestMs: 600_000,
    slowMs: 600_000,
    onSlow: () => {},
    onOutput: () => {},
    onGone: () => {},
    refusal: () => new Error('refused'),
    lost: () => new Error('lost'),
  })
  await child.ready
  void child.request('nobody', { kind: 8 }, '')
  setTimeout(() => writeSync(1, `${child.pid}\n`), 100)
  setInterval(() => {}, 1_000)
} else {
  serve(1_024, neverEnds, () => ({}))
}
