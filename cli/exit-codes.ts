import { LyceumError } from '../host/errors.ts'

/** What the exit code of every command means. */
export const EXIT = {
  done: 0,
  /** The host or a plugin refused: the message has a code and says what to do. */
  refused: 1,
  /** The words of the command line, or a variable of the environment, are wrong. */
  usage: 2,
  /** No host of Lyceum answers at the address. */
  unreachable: 3,
  /** Tests failed, or results differ from their snapshots. */
  differs: 4,
  /** A defect of Lyceum. */
  defect: 70,
  /** Ctrl-C. */
  interrupted: 130,
} as const

/** What each exit code says, for help and docs. */
export const EXIT_ABOUT: readonly (readonly [code: number, about: string])[] = [
  [EXIT.done, 'done'],
  [EXIT.refused, 'the host or the plugin refused; the message says why'],
  [EXIT.usage, 'the command line or a variable is wrong'],
  [EXIT.unreachable, 'no host can be reached at the address'],
  [EXIT.differs, 'tests failed, or results differ from their snapshots'],
  [EXIT.defect, 'a defect of Lyceum'],
  [EXIT.interrupted, 'Ctrl-C'],
]

/** The words of the command line are wrong: exit code 2, where a `bad_parameter` of the host is 1. */
export class UsageError extends LyceumError {
  constructor(message: string, details?: Readonly<Record<string, unknown>>) {
    super('bad_parameter', message, details)
  }
}

/** The exit code for what a command threw. */
export function exitCodeOf(thrown: unknown): number {
  if (!(thrown instanceof LyceumError)) return EXIT.defect
  if (thrown instanceof UsageError || thrown.code === 'config_invalid') return EXIT.usage
  return thrown.code === 'server_unreachable' ? EXIT.unreachable : EXIT.refused
}
