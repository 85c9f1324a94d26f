/**
 * Every refusal of the host, in one table: stable code → HTTP status and title.
 * A code never changes its meaning; the sentence that helps is written where the error is thrown.
 */
export const ERRORS = {
  // the request
  bad_request: { status: 400, title: 'The request is not well formed' },
  body_unreadable: { status: 400, title: 'The body cannot be parsed' },
  bad_parameter: { status: 400, title: 'A parameter is missing or wrong' },
  body_too_large: { status: 413, title: 'The body is too large' },
  unsupported_encoding: { status: 415, title: 'The body has an encoding that is not supported' },
  not_found: { status: 404, title: 'There is nothing at this address' },
  host_unknown: { status: 421, title: 'The host does not go by this name' },
  method_not_allowed: { status: 405, title: 'This address does not take that method' },

  // who asks
  sign_in_required: { status: 401, title: 'Sign in first' },
  token_invalid: { status: 401, title: 'The token is not valid' },
  token_expired: { status: 401, title: 'The token has expired' },
  sign_in_link_used: { status: 401, title: 'The sign-in link was used already' },
  cross_site: { status: 403, title: 'The request came from another site' },
  role_denied: { status: 403, title: 'Your role may not do this' },
  user_denied: { status: 403, title: 'This person is not yours to see' },
  course_denied: { status: 403, title: 'This course is not yours to see' },
  plugin_denied: { status: 403, title: 'This plugin is not yours' },

  // one event
  event_not_json: { status: 422, title: 'The event is not JSON' },
  event_not_object: { status: 422, title: 'The event is not an object' },
  event_comment: { status: 422, title: 'The line is a comment' },
  event_truncated: { status: 422, title: 'The event was cut off before it was sent' },
  event_too_large: { status: 422, title: 'The event is too large' },
  event_too_deep: { status: 422, title: 'The event is nested too deeply' },

  // a publish
  package_invalid: { status: 422, title: 'package.json is missing something' },
  bundle_too_large: { status: 413, title: 'The bundle is too large' },
  bundle_broken: { status: 422, title: 'The bundle does not load' },
  source_map_invalid: { status: 422, title: 'The source map cannot be read' },
  manifest_refused: { status: 422, title: 'An endpoint is not written in a way that can be read' },
  options_refused: { status: 422, title: 'The options of an endpoint are wrong' },
  version_exists: { status: 409, title: 'This version exists with other content' },
  version_newer: { status: 409, title: 'There is a newer version' },
  version_unknown: { status: 404, title: 'There is no such version' },

  // plugins at work
  plugin_unknown: { status: 404, title: 'There is no such plugin' },
  name_unknown: { status: 404, title: 'There is no such common name' },
  name_unresolved: { status: 409, title: 'Nobody answers to this common name' },
  endpoint_unknown: { status: 404, title: 'The plugin has no such endpoint' },
  plugin_needed: { status: 409, title: 'Other plugins need this one' },
  nothing_pending: { status: 409, title: 'Nothing waits for an approval' },
  plugin_pending: { status: 409, title: 'The plugin waits for approval' },
  plugin_paused: { status: 409, title: 'The plugin is paused' },
  plugin_quarantined: { status: 503, title: 'The plugin was stopped for misbehaving' },
  handler_halted: { status: 409, title: 'The handler failed on event after event and stands still' },
  nothing_to_rebuild: { status: 409, title: 'The plugin has nothing to rebuild' },
  rebuild_ended: { status: 409, title: 'The rebuild was ended before it was done' },
  property_unavailable: { status: 503, title: 'A property of the events cannot be worked out now' },
  plugin_failed: { status: 502, title: 'The plugin threw an error' },
  over_cpu: { status: 502, title: 'The plugin used up its CPU time' },
  over_wall: { status: 504, title: 'The plugin did not answer in time' },
  over_memory: { status: 502, title: 'The plugin used up its memory' },
  over_ops: { status: 502, title: 'The plugin made too many calls' },
  over_bytes: { status: 502, title: 'The plugin moved too many bytes' },
  over_output: { status: 502, title: 'The result is too large' },
  over_cpu_rate: { status: 429, title: 'The plugin has used up its CPU time of a minute' },
  over_concurrency: { status: 429, title: 'The plugin has too many calls under way' },
  asked_too_much: { status: 429, title: 'You have asked for too much too often' },
  over_depth: { status: 502, title: 'Plugins call each other too deeply' },
  call_circle: { status: 502, title: 'Plugins call each other in a circle' },
  sandbox_lost: { status: 503, title: 'The sandbox was lost' },

  // the bridge
  op_unknown: { status: 400, title: 'There is no such operation' },
  op_denied: { status: 403, title: 'The endpoint was not granted this' },
  op_malformed: { status: 400, title: 'The operation is not well formed' },
  write_denied: { status: 403, title: 'This kind of endpoint may not write' },

  // documents
  document_invalid: { status: 400, title: 'The document cannot be stored' },
  operator_unknown: { status: 400, title: 'The operator is not offered' },
  query_invalid: { status: 400, title: 'The query is not well formed' },
  update_invalid: { status: 400, title: 'The update cannot be applied' },
  duplicate_key: { status: 409, title: 'Another document has this key' },
  document_too_large: { status: 400, title: 'The document is too large' },
  collection_limit: { status: 400, title: 'There are too many collections' },
  result_too_large: { status: 400, title: 'The result of the query is too large' },
  cursor_limit: { status: 400, title: 'There are too many open cursors' },
  cursor_unknown: { status: 400, title: 'The cursor is not open' },
  time_limit: { status: 503, title: 'The operation took too long' },
  store_lost: { status: 503, title: 'The store was lost' },
  store_busy: { status: 503, title: 'Others were changing the same documents' },
  cursor_lost: { status: 409, title: 'Another owner moved the cursor' },

  // files
  file_path_invalid: { status: 400, title: 'This is not the path of a file' },
  file_invalid: { status: 400, title: 'The file cannot be written like this' },
  file_too_large: { status: 413, title: 'The file is too large' },
  file_unknown: { status: 404, title: 'There is no such file' },

  // replicas
  statement_refused: { status: 400, title: 'The statement is not offered' },
  replica_unavailable: { status: 503, title: 'The replica cannot be read right now' },
  replica_writable: { status: 503, title: 'The account of the replica could write' },
  replica_lost: { status: 503, title: 'The reader of the replica was lost' },

  // charts
  chart_refused: { status: 502, title: 'The chart cannot be drawn' },

  // caches
  cache_value_too_large: { status: 413, title: 'The value does not fit into the cache' },
  no_sample: { status: 404, title: 'The query has no sample' },
  not_cached: { status: 504, title: 'There is no kept answer' },

  // the command line
  file_unreadable: { status: 400, title: 'A file cannot be read' },
  folder_taken: { status: 409, title: 'The folder is not empty' },
  server_unreachable: { status: 503, title: 'There is no Lyceum at this address' },

  // the host
  data_locked: { status: 503, title: 'Another host uses this data folder' },
  data_damaged: { status: 503, title: 'The data on the disk is damaged' },
  data_newer: { status: 503, title: 'The data was written by a newer Lyceum' },
  port_taken: { status: 503, title: 'The port is in use' },
  config_invalid: { status: 500, title: 'The configuration is wrong' },
  sdk_unbuilt: { status: 503, title: 'The package of the SDK cannot be made' },
  shutting_down: { status: 503, title: 'The host is stopping' },
  database_unreachable: { status: 503, title: 'The database server cannot be used' },
  database_full: { status: 507, title: 'The database of the plugin is full' },
  files_full: { status: 507, title: 'The plugin has as many files as its quota allows' },
  disk_full: { status: 507, title: 'The disk is full' },
  internal: { status: 500, title: 'Something went wrong in the host' },
} as const satisfies Record<string, { status: number; title: string }>

/** A stable error code: a key of {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS

/** True where a string from outside (a child process, an HTTP answer) is a code of the table. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code)
}

/**
 * A refusal with a stable code and a sentence that says what was wrong, where, and what to do.
 * The message may be shown to whoever asked: it holds no path, stack or secret of the host.
 */
export class LyceumError extends Error {
  readonly code: ErrorCode
  /** Small, public facts that a program can act on, for example `{ parameter: 'limit' }`. */
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(code: ErrorCode, message: string, details?: Readonly<Record<string, unknown>>) {
    super(message)
    this.name = 'LyceumError'
    this.code = code
    this.details = details
  }

  /** The HTTP status that goes with the code. */
  get status(): number {
    return ERRORS[this.code].status
  }
}

/** An error as it leaves a child process: a refusal as it is, anything else only as `internal`. */
export function failureFrom(error: unknown, report: (stack: string) => void): object {
  if (error instanceof LyceumError)
    return { code: error.code, message: error.message, ...(error.details && { details: error.details }) }
  report(error instanceof Error ? (error.stack ?? error.message) : String(error))
  return { code: 'internal', message: 'The host failed at this. Its log has the reason.' }
}

/** The refusal that a child process sent. */
export function refusalOf(failure: unknown): LyceumError {
  const { code, message, details }: Readonly<Record<string, unknown>> =
    typeof failure === 'object' && failure !== null ? { ...failure } : {}
  return new LyceumError(
    isErrorCode(code) ? code : 'internal',
    typeof message === 'string' ? message : 'The host failed at this.',
    typeof details === 'object' && details !== null ? { ...details } : undefined,
  )
}
