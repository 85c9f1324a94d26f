/** What cases may need that a server does not have, by the reason. */
export type Lacks = Readonly<Record<string, readonly string[]>>

/** What may be held and takes too long to find out. */
export const TOO_SLOW = 'it takes too long'
