import { z } from 'zod'
import { LyceumError } from '../errors.ts'
import { nameProblem, printable } from './manifest-names.ts'

/** What a plugin's package.json says about it. */
export interface PluginPackage {
  /** The plugin's id: `name` in the file. */
  readonly name: string
  /** Its semver. */
  readonly version: string
  readonly title?: string | undefined
  readonly description?: string | undefined
}

/** The most characters of a plugin's id. */
export const MAX_PLUGIN_ID = 40

// Bounded and without nested repetition, so that a hostile version costs nothing.
const SEMVER =
  /^(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})(?:-[0-9A-Za-z.-]{1,64})?(?:\+[0-9A-Za-z.-]{1,64})?$/

const Package = z.object({
  name: z
    .string({ error: 'the plugin\'s id is missing: write "name": "myPlugin"' })
    .superRefine((name, context) => {
      const problem = nameProblem(name, MAX_PLUGIN_ID)
      if (problem !== undefined)
        context.addIssue({ code: 'custom', message: `\`${printable(name)}\` ${problem}` })
    }),
  version: z
    .string({ error: 'the version is missing: write "version": "1.0.0"' })
    .regex(SEMVER, 'not a version of three numbers: write "version": "1.0.0"'),
  title: z.string({ error: 'not a text' }).max(100, 'longer than 100 characters').optional(),
  description: z.string({ error: 'not a text' }).max(500, 'longer than 500 characters').optional(),
})

/**
 * Reads what counts of a plugin's package.json; its other fields are npm's.
 * @param raw the parsed JSON
 * @throws LyceumError package_invalid, naming each field and what to write
 */
export function parsePackage(raw: unknown): PluginPackage {
  const parsed = Package.safeParse(raw)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => ({
    field: issue.path.join('.'),
    message: issue.message,
  }))
  const text = problems.map(({ field, message }) =>
    field === '' ? 'not an object' : `"${field}": ${message}`,
  )
  throw new LyceumError('package_invalid', `package.json: ${text.join('; ')}.`, { problems })
}
