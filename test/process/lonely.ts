/** Asks a child that ends while it starts, and has nothing else to do: prints what it is told. */
import { SerialProcess } from '../../process/serial-process.ts'

const child = new SerialProcess({
  name: 'nobody',
  script: `${import.meta.filename}-is-not-there`,
  nodeFlags: [],
  confinement: { uid: undefined, writesFiles: false },
  rssCapMb: 1_024,
  maxFrameBytes: 1_000,
  requestMs: 10_000,
  slowMs: 10_000,
  onSlow: () => {},
  onOutput: () => {},
  onGone: () => {},
  refusal: () => new Error('refused'),
  lost: () => new Error('lost'),
})
await child.request('somebody', { kind: 30 }, 'hello').catch((error: Error) => console.log(error.message))
