import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect } from 'vitest'
import { longTest } from '../support/long.ts'
import { spawnHost } from '../support/spawned-host.ts'

const ROOT = join(import.meta.dirname, '../..')
const PAGE = join(ROOT, 'docs/tutorial.md')
/** The address in the page; the host of the test has another port. */
const ADDRESS = 'http://127.0.0.1:4000'

/** A fenced block of the page: what stands behind its ticks, its text, and its line. */
interface Block {
  readonly info: string
  readonly text: string
  readonly line: number
}

/** ```` ```sh ```` runs to its end, `sh fails` with an error, `sh dev` beside what follows; `ts NAME` is a file; `text` was printed. */
async function blocksOf(file: string): Promise<Block[]> {
  const page = await readFile(file, 'utf8')
  return [...page.matchAll(/^```(.+)\n([\s\S]*?)^```$/gm)].map(({ 1: info = '', 2: text = '', index }) => ({
    info,
    text,
    line: page.slice(0, index).split('\n').length,
  }))
}

/** A terminal: commands run one after the other, each where the one before has gone to. */
class Terminal {
  readonly #env: NodeJS.ProcessEnv
  #cwd: string
  #dev: ChildProcess | undefined
  /** What was printed since the last command, or by what runs beside since the last save. */
  output = ''

  constructor(cwd: string, env: NodeJS.ProcessEnv) {
    this.#cwd = cwd
    this.#env = env
  }

  /** @returns the exit code */
  async run(script: string): Promise<number | null> {
    this.output = ''
    const child = this.#start(`${script}\npwd > "$TUTORIAL_CWD"`)
    const [code] = await once(child, 'close')
    this.#cwd = (await readFile(this.#env.TUTORIAL_CWD ?? '', 'utf8')).trim()
    return code
  }

  watch(script: string): void {
    this.output = ''
    this.#dev = this.#start(script)
  }

  async save(name: string, text: string): Promise<void> {
    this.output = ''
    await writeFile(join(this.#cwd, name), text)
  }

  /** Resolves when all of these lines were printed. */
  async printed(lines: readonly string[]): Promise<void> {
    const missing = () => lines.filter((line) => !this.output.includes(line))
    await expect
      .poll(missing, { timeout: 20_000 })
      .toEqual([])
      .catch(() => expect(this.output).toContain(missing()[0]))
  }

  async stopWatching(): Promise<void> {
    const dev = this.#dev
    this.#dev = undefined
    if (dev === undefined) return
    const closed = once(dev, 'close')
    // npm runs it in a shell: the whole group, as Ctrl-C does.
    if (dev.pid !== undefined) process.kill(-dev.pid, 'SIGINT')
    await closed
  }

  #start(script: string): ChildProcess {
    const child = spawn('bash', ['-e', '-c', script], {
      cwd: this.#cwd,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const read = (chunk: Buffer) => {
      this.output += chunk.toString()
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    return child
  }
}

const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

/** Programs that stand in for what would fetch packages: `npx lyceum` is the clone's, and so is what is installed. */
async function programs(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lyceum-programs-'))
  folders.push(folder)
  const lyceum = `exec ${process.execPath} ${join(ROOT, 'cli/lyceum.js')} "$@"`
  const files = {
    lyceum,
    npx: `[ "$1" = --package ] && shift 2\nshift\n${lyceum}`,
    npm: `if [ "$1" = install ]; then mkdir -p node_modules/@lyceum && ln -s ${ROOT}/sdk node_modules/@lyceum/sdk && ln -s ${ROOT}/node_modules/@types node_modules/@types; else PATH=$TUTORIAL_PATH exec npm "$@"; fi`,
  }
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), `#!/bin/bash\n${text}\n`)
    await chmod(join(folder, name), 0o755)
  }
  return folder
}

/** The token that the page has an admin make: another could reach more than its readers do. */
async function tokenOfPage(dataDir: string): Promise<string> {
  const command = /`npx lyceum (token author [^`]+)`/.exec(await readFile(PAGE, 'utf8'))?.[1]
  if (command === undefined) throw new Error('The tutorial has no command that makes a token.')
  const words = [join(ROOT, 'cli/lyceum.js'), ...command.split(' '), '--data', dataDir]
  return (await promisify(execFile)(process.execPath, words)).stdout.trim()
}

longTest('the tutorial works as it stands there', { timeout: 300_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lyceum-tutorial-'))
  folders.push(folder)
  const dataDir = join(folder, 'data')
  const host = await spawnHost(dataDir, [])
  const own = await programs()
  const usual = `${dirname(process.execPath)}:${process.env.PATH}`
  // The real npm finds the command line of the clone like one that was installed.
  await mkdir(join(folder, 'bin'))
  await symlink(join(own, 'lyceum'), join(folder, 'bin/lyceum'))
  const work = join(folder, 'work')
  await mkdir(work)
  const terminal = new Terminal(work, {
    HOME: folder,
    PATH: `${own}:${usual}`,
    TUTORIAL_PATH: `${join(folder, 'bin')}:${join(ROOT, 'node_modules/.bin')}:${usual}`,
    TUTORIAL_CWD: join(folder, 'cwd'),
    // The real package knows the host that it came from.
    LYCEUM_URL: host.url,
  })
  const token = await tokenOfPage(dataDir)
  try {
    for (const { info, text: given, line } of await blocksOf(PAGE)) {
      const at = `docs/tutorial.md:${line}`
      const text = given.replaceAll(ADDRESS, host.url)
      const [kind, name] = info.split(' ')
      if (kind === 'text') await terminal.printed(text.trim().split('\n'))
      else if (kind === 'ts' && name !== undefined) {
        if (name.endsWith('.test.ts')) await terminal.stopWatching()
        await terminal.save(name, given)
      } else if (info === 'sh dev') terminal.watch(text.replace('npm run dev', 'npm run dev -- --no-open'))
      else if (kind === 'sh') {
        const script = text.replace(/(lyceum login \S+)/, `$1 <<< ${token}`)
        const code = await terminal.run(script)
        expect(code === 0, `${at}:\n${terminal.output}`).toBe(name !== 'fails')
      } else throw new Error(`${at}: what should be done with a block of ${info}?`)
    }
  } finally {
    await terminal.stopWatching()
    await host.stop('SIGKILL')
  }
})
