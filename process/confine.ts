import { spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** What a child may do beside what Node's flags say, held by the kernel: for the day on which V8 does not hold. */
export interface Confinement {
  /** A user of its own; undefined for that of the host. */
  readonly uid: number | undefined
  /** False where it has no file to write. */
  readonly writesFiles: boolean
  /** True for the one kind of child that talks to servers; all others have no network. */
  readonly network?: boolean
}

/** A command to start, and as whom. */
export interface Command {
  readonly program: string
  readonly args: readonly string[]
  readonly uid?: number | undefined
  readonly gid?: number | undefined
}

/** Open files and sockets: a process that has fallen to a plugin must not use up those of the machine. */
const MOST_FILES = 256
/** The same where each plugin has connections of its own. */
const MOST_FILES_WITH_NETWORK = 4_096
/** Threads and processes of one user: Node and isolated-vm start about thirty. */
const MOST_THREADS = 256

/**
 * Wraps a command so that the kernel gives the process no network, no more rights by any program that it runs,
 * and few files: with unshare, prlimit and setpriv of util-linux, which replace themselves by the next, so that
 * it costs five milliseconds and no process. Where the machine has them not, or forbids it, the command starts
 * as it is.
 */
export function confined(
  program: string,
  args: readonly string[],
  { uid, writesFiles, network = false }: Confinement,
): Command {
  const means = kernelConfines()
  if (means === undefined) return { program, args, uid, gid: uid }
  const [first = '', ...more] = [
    ...means.filter((part) => !network || part !== '--net'),
    ...['prlimit', '--core=0', `--nofile=${network ? MOST_FILES_WITH_NETWORK : MOST_FILES}`],
    ...(writesFiles ? [] : ['--fsize=0']),
    // Others that share a user would count too.
    ...(uid === undefined ? [] : [`--nproc=${MOST_THREADS}`]),
    ...['--', 'setpriv', '--no-new-privs'],
    ...(uid === undefined ? [] : [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']),
    ...['--', program, ...args],
  ]
  return { program: first, args: more }
}

let found: { readonly means: readonly string[] | undefined } | undefined

/**
 * With what this machine makes a network of nobody: a command, none where a container may not and only the rest
 * is held, or undefined where it has not even that. Tried out once, with a program that does nothing.
 */
export function kernelConfines(): readonly string[] | undefined {
  found ??= { means: process.platform === 'linux' ? MEANS.find(works) : undefined }
  return found.means
}

/** Root makes a network as it is; anybody else as the root of a user namespace. */
const MEANS = [['unshare', ...(isRoot() ? [] : ['--user']), '--net', '--ipc', '--'], []]

function works(means: readonly string[]): boolean {
  const [first = '', ...more] = [
    ...means,
    'prlimit',
    '--core=0',
    '--',
    'setpriv',
    '--no-new-privs',
    '--',
    'true',
  ]
  return spawnSync(first, more, { env: {}, stdio: 'ignore' }).status === 0
}

interface Users {
  readonly first: number
  readonly count: number
}

/**
 * User ids that own no file and belong to nobody. They are chosen at random, for there may be other hosts on this
 * machine, and whoever ends a user ends all processes of that user: among many, two never choose the same.
 */
const MANY_USERS: Users = { first: 1_900_000_000, count: 200_000_000 }
/** What a container has, whose users are numbered up to 65,535. */
const FEW_USERS: Users = { first: 64_000, count: 1_000 }
const usersAtWork = new Set<number>()

/**
 * A user for one child that needs no file but our code: each has another one, so that one that falls to a plugin
 * can signal none of its like. Undefined where this process may not give users, or they could not read the code.
 */
export function ownUser(): number | undefined {
  mayGiveUsers ??= isRoot() && othersMayEnter(import.meta.dirname)
  users ??= has(MANY_USERS) ? MANY_USERS : FEW_USERS
  if (!mayGiveUsers || usersAtWork.size === users.count) return undefined
  let uid: number
  do uid = users.first + randomInt(users.count)
  while (usersAtWork.has(uid))
  usersAtWork.add(uid)
  return uid
}

/** Whether these users exist in the user namespace in which this process runs. */
function has({ first, count }: Users): boolean {
  let map: string
  try {
    map = readFileSync('/proc/self/uid_map', 'utf8')
  } catch {
    return false // not Linux
  }
  return map.split('\n').some((line) => {
    const [inside = Number.NaN, , mapped = 0] = line.trim().split(/\s+/).map(Number)
    return inside <= first && first + count <= inside + mapped
  })
}

/**
 * Takes the user of a child back that has ended, and ends whatever that has left running: a process that has
 * fallen to a plugin may have started others, which the host knows nothing of.
 */
export function endUser(uid: number): void {
  if (!usersAtWork.delete(uid)) return
  // As that user, so that the kernel lets it reach nobody else.
  spawn('/bin/sh', ['-c', 'kill -9 -1'], { uid, gid: uid, env: {}, cwd: '/', stdio: 'ignore' })
    .on('error', () => {})
    .unref()
}

let mayGiveUsers: boolean | undefined
let users: Users | undefined

function isRoot(): boolean {
  return process.getuid?.() === 0
}

function othersMayEnter(inner: string): boolean {
  const OTHERS_MAY_ENTER = 0o001
  for (let folder = inner; folder !== '/'; folder = dirname(folder))
    if ((statSync(folder).mode & OTHERS_MAY_ENTER) === 0) return false
  return true
}
