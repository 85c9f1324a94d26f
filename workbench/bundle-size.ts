import { LyceumError } from '../host/errors.ts'
import { LIMITS } from '../host/limits.ts'
import { packageOf } from '../host/registry/package-imports.ts'

const MOST_NAMED = 5

/** What the bundler tells of what it wrote. */
interface Outputs {
  readonly [file: string]: {
    readonly bytes: number
    readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>
  }
}

/** @throws {LyceumError} bundle_too_large where no host would take a bundle, with what makes it so */
export function refuseTooLarge({ outputs }: { readonly outputs: Outputs }): void {
  const output = Object.entries(outputs).find(([file]) => file.endsWith('.js'))?.[1]
  if (output === undefined || output.bytes <= LIMITS.bundleBytes) return
  const bytesOf = new Map<string, number>()
  for (const [file, { bytesInOutput }] of Object.entries(output.inputs)) {
    const name = packageOf(file) ?? file
    bytesOf.set(name, (bytesOf.get(name) ?? 0) + bytesInOutput)
  }
  const largest = [...bytesOf].sort(([, a], [, b]) => b - a).slice(0, MOST_NAMED)
  const names = largest.map(([name, bytes]) => `${name} ${shown(bytes)}`).join(', ')
  throw new LyceumError(
    'bundle_too_large',
    `The bundle has ${shown(output.bytes)}; ${shown(LIMITS.bundleBytes)} are allowed. Most of it: ${names}. Import only what you use of a package, take a smaller one, or keep data in a collection.`,
    { bytes: output.bytes, bundleBytes: LIMITS.bundleBytes },
  )
}

function shown(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.round(bytes / 1_000)} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}
