import { setTimeout } from 'node:timers/promises'

// As where a busy machine leaves a process no time: longer than a request may take.
await setTimeout(1_500)
await import('./echo-child.ts')
