/** What cases may need that a server does not have, by the reason. */
export type Lacks = Readonly<Record<string, readonly string[]>>

/** What may be held and takes too long to find out. */
export const TOO_SLOW = 'it takes too long'
/** That is ours, whatever the server. */
export const NO_FILES = 'files of plugins are not kept in MongoDB yet'
