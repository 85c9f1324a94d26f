import type { Command } from 'commander'

/** A command of `lyceum`. Its file is loaded when it is asked for: none pays for what others import. */
export interface CommandEntry {
  readonly name: string
  readonly summary: string
  /** For scripts: no part of the help. */
  readonly hidden?: boolean
  /** Its file, with the function that adds it to the program. */
  readonly load: () => Promise<(program: Command) => void>
}

/** All commands, under the headings of the help. */
export const COMMANDS: ReadonlyMap<string, readonly CommandEntry[]> = new Map([
  [
    'Authors:',
    [
      {
        name: 'init',
        summary: 'make the folder of a new plugin',
        load: async () => (await import('./init.ts')).registerInit,
      },
      {
        name: 'dev',
        summary: 'run a plugin over a sample course, and reload it when you save',
        load: async () => (await import('./dev.ts')).registerDev,
      },
      {
        name: 'test',
        summary: "run a plugin's tests, and compare its results with those that were kept",
        load: async () => (await import('./test.ts')).registerTest,
      },
      {
        name: 'run',
        summary: 'run a plugin over the events of files, and write its results',
        load: async () => (await import('./run.ts')).registerRun,
      },
      {
        name: 'publish',
        summary: 'publish a plugin, once you have seen what that changes',
        load: async () => (await import('./publish.ts')).registerPublish,
      },
      {
        name: 'plugins',
        summary: 'list your plugins, or show one',
        load: async () => (await import('./plugins.ts')).registerPlugins,
      },
      {
        name: 'query',
        summary: 'ask a query, and print the result',
        load: async () => (await import('./query.ts')).registerQuery,
      },
      {
        name: 'logs',
        summary: 'show what a plugin logs',
        load: async () => (await import('./logs.ts')).registerLogs,
      },
      {
        name: 'dead-letters',
        summary: 'show the events that handlers failed on, and retry them',
        load: async () => (await import('./dead-letters.ts')).registerDeadLetters,
      },
      {
        name: 'rebuild',
        summary: "make a plugin's data anew, with the handlers that it has now",
        load: async () => (await import('./rebuild.ts')).registerRebuild,
      },
      {
        name: 'types',
        summary: 'write the types of what a plugin may call',
        load: async () => (await import('./types.ts')).registerTypes,
      },
    ],
  ],
  [
    'Operators:',
    [
      {
        name: 'start',
        summary: 'run the host',
        load: async () => (await import('./start.ts')).registerStart,
      },
      {
        name: 'token',
        summary: 'print a token',
        load: async () => (await import('./token.ts')).registerToken,
      },
      {
        name: 'sign-in',
        summary: 'print a link that signs a browser in',
        load: async () => (await import('./sign-in.ts')).registerSignIn,
      },
      {
        name: 'approve',
        summary: 'let a plugin reach what it asks for',
        load: async () => (await import('./administration.ts')).registerApprove,
      },
      {
        name: 'deny',
        summary: 'say why it will not',
        load: async () => (await import('./administration.ts')).registerDeny,
      },
      {
        name: 'revoke',
        summary: 'take approvals back',
        load: async () => (await import('./administration.ts')).registerRevoke,
      },
      {
        name: 'pause',
        summary: 'stop a plugin for a while',
        load: async () => (await import('./administration.ts')).registerPause,
      },
      {
        name: 'resume',
        summary: 'let it run again',
        load: async () => (await import('./administration.ts')).registerResume,
      },
      {
        name: 'rollback',
        summary: 'go back to an earlier version',
        load: async () => (await import('./administration.ts')).registerRollback,
      },
      {
        name: 'quota',
        summary: 'show or change the limits of a plugin',
        load: async () => (await import('./administration.ts')).registerQuota,
      },
      {
        name: 'export',
        summary: 'write out what a plugin keeps',
        load: async () => (await import('./export.ts')).registerExport,
      },
      {
        name: 'uninstall',
        summary: 'take a plugin away',
        load: async () => (await import('./uninstall.ts')).registerUninstall,
      },
    ],
  ],
  [
    'LMS:',
    [
      {
        name: 'load',
        summary: 'load tracking logs',
        load: async () => (await import('./load.ts')).registerLoad,
      },
    ],
  ],
  [
    'Where and as whom:',
    [
      {
        name: 'login',
        summary: 'keep your token for a host',
        load: async () => (await import('./login.ts')).registerLogin,
      },
      {
        name: 'logout',
        summary: 'forget it',
        load: async () => (await import('./login.ts')).registerLogout,
      },
    ],
  ],
  [
    'Help:',
    [
      {
        name: 'completion',
        summary: 'print what makes a shell complete commands, plugins and queries',
        load: async () => (await import('./completion.ts')).registerCompletion,
      },
      {
        name: 'complete',
        summary: 'print what may follow some words',
        hidden: true,
        load: async () => (await import('./completion.ts')).registerComplete,
      },
    ],
  ],
])
