import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import type { Command } from 'commander'
import { undoAtExit } from '../workbench/abandoned.ts'
import type { Compared, Results } from '../workbench/snapshots.ts'
import { EXIT } from './exit-codes.ts'
import { collected } from './options.ts'
import { note, onOneLine, paint, printable, printJson } from './terminal.ts'

const HELP = `
First the tests in the folder run, those files that end in .test.ts, with Node's own runner: it has assertions
(node:assert), and load() of @lyceum/sdk/testing runs the plugin.

Then the plugin is run over the sample course, and what each query and view gives is compared with the files in
snapshots/: as an admin, as an instructor of the course and as a student, with the defaults of all parameters.
What is new is written; what has changed is shown, and kept with --update. With CI=1 nothing is written, and what is
missing fails.

Examples:
  npx lyceum test
  npx lyceum test my-plugins/plays --update        the results are as they should be: keep them

Exit code 4: a test failed, or a result is not what was kept.`

interface Options {
  readonly update?: boolean
  readonly with?: readonly string[]
  readonly json?: boolean
}

/** `lyceum test`: runs an author's tests, and compares results with those that were kept. */
export function registerTest(program: Command): void {
  program
    .command('test')
    .description("Run a plugin's tests, and see whether its results are those that were kept.")
    .argument('[folder]', 'the folder with plugin.ts', '.')
    .option('--with <folder>', 'another plugin, which this one asks (repeatable)', collected)
    .option('--update', 'keep the results as they are now, and samples of them')
    .addHelpText('after', HELP)
    .action((folder: string, _options: unknown, command: Command) =>
      test(folder, command.optsWithGlobals<Options>()),
    )
}

async function test(
  folder: string,
  { update = false, json = false, with: others = [] }: Options,
): Promise<void> {
  const files = globSync('**/*.test.{ts,js,mts,mjs}', { cwd: folder, exclude: ['node_modules/**'] }).sort()
  // Needed by nobody who asks for help.
  const { compareSnapshots, keepSnapshots, resultsOf } = await import('../workbench/snapshots.ts')
  const { recordSamples } = await import('../workbench/samples.ts')
  const { writeTypes } = await import('../workbench/types-file.ts')
  const testsPass = files.length === 0 || (await runTests(folder, files, json))
  const results = await resultsOf(folder, others)
  await writeTypes(folder, results.schema)
  const compared = await compareSnapshots(folder, results)
  const mayWrite = !isCi()
  const kept = compared.filter(({ state }) => update || (state === 'new' && mayWrite))
  await keepSnapshots(folder, results, kept)
  if (update) await recordSamples(folder, results.byQuery)
  const differing = compared.filter((one) => one.state !== 'same' && !kept.includes(one))
  if (json) {
    const failed = results.failed.map(({ code, message, details }) => ({ code, message, details }))
    printJson({
      tests: { files, passed: testsPass },
      snapshots: compared,
      skipped: results.skipped,
      standIns: results.standIns,
      failed,
    })
  } else report(files, compared, results, update)
  if (!testsPass || differing.length > 0 || results.failed.length > 0) process.exitCode = EXIT.differs
}

/** Runs tests in a process of their own, whose output is seen as it comes. */
async function runTests(folder: string, files: readonly string[], json: boolean): Promise<boolean> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const child = spawn(process.execPath, ['--test', '--test-reporter=spec', ...files], {
    cwd: folder,
    env,
    stdio: ['inherit', json ? process.stderr : 'inherit', 'inherit'],
  })
  // Tests may go on for ever; they end with who runs them.
  const ended = undoAtExit(() => child.kill())
  const [code] = await once(child, 'exit')
  ended()
  return code === 0
}

/** Where nobody looks at what is new, it must not pass for what was kept. */
function isCi(): boolean {
  return !['', '0', 'false'].includes(process.env.CI ?? '')
}

const MARKS: Readonly<Record<Compared['state'], string>> = { same: '=', new: '+', changed: '≠', gone: '-' }

function report(
  files: readonly string[],
  compared: readonly Compared[],
  { warnings, skipped, standIns, failed }: Results,
  update: boolean,
): void {
  if (files.length === 0) note('No tests: write plugin.test.ts, as docs/testing.md shows.')
  console.log('Snapshots')
  for (const { file, state, diff } of compared) {
    console.log(`  ${MARKS[state]} ${onOneLine(file)}${told(state, update)}`)
    if (diff !== undefined && !update) console.log(coloured(printable(diff)))
  }
  for (const plugin of standIns) console.log(`  ~ ${plugin} is stood for by its samples`)
  for (const { endpoint, reason } of skipped)
    console.log(`  ? ${endpoint} was not asked: ${onOneLine(reason)}`)
  for (const warning of warnings) note(`${paint('yellow', 'warning')} ${onOneLine(warning)}`)
  for (const { message } of failed) note(`${paint('red', 'failed')} ${printable(message)}\n`)
  const waits = compared.some(({ state }) => state === 'changed' || state === 'gone')
  if (waits && !update) note('If this is as it should be, keep it: npx lyceum test --update')
}

function told(state: Compared['state'], update: boolean): string {
  if (state === 'same') return ''
  if (state === 'new')
    return isCi() && !update ? ' is missing: run npx lyceum test, and commit it' : ' is new: kept'
  if (state === 'gone')
    return update ? ': deleted, since nothing makes it any more' : ': nothing makes it any more'
  return update ? ': the change is kept' : ' has changed'
}

function coloured(diff: string): string {
  return diff
    .split('\n')
    .map(
      (line) =>
        `    ${line.startsWith('+') ? paint('green', line) : line.startsWith('-') ? paint('red', line) : line}`,
    )
    .join('\n')
}
