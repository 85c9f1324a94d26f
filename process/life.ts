/** The frame kinds that every child process knows; a child's own protocol starts at 8. */
export const Life = {
  /** child → host: started, and listening. */
  ready: 1,
  /** host → child, answered by `pong` from the child's main thread. */
  ping: 2,
  pong: 3,
} as const
