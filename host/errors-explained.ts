import type { ErrorCode } from './errors.ts'

/** When a refusal happens, and what to do about it, whatever its message adds. */
export interface Explanation {
  readonly when: string
  readonly remedy: string
}

const OWN = 'Its author or an admin can look into the log of the plugin.'

/** What docs/errors.md and the page at {@link ERRORS_PAGE} say of each code. */
export const EXPLAINED: Readonly<Record<ErrorCode, Explanation>> = {
  // the request
  bad_request: row(
    'A request is not one that this address takes.',
    'Follow the message; for a view, begin at the first page.',
  ),
  body_unreadable: row(
    'A body is not JSON, or says so and is something else.',
    'Check the JSON, and that Content-Type says what it is.',
  ),
  bad_parameter: row(
    'A parameter is missing, misspelt or of the wrong type; on the command line, an option or argument.',
    'The message and `parameter` name it, and say what it takes.',
  ),
  body_too_large: row('A body is larger than a host reads at once.', 'Send it in several requests.'),
  unsupported_encoding: row('A body has a Content-Encoding other than gzip.', 'Send it plain or as gzip.'),
  not_found: row('There is no such address.', 'Compare it with /openapi.json.'),
  host_unknown: row(
    'A host that listens on one machine only is asked under a name that is not that machine’s own.',
    'Use 127.0.0.1 or localhost, or start the host with --bind.',
  ),
  method_not_allowed: row('The address is there, but not for this method.', 'Use one of those in `allowed`.'),

  // who asks
  sign_in_required: row(
    'A request carries neither a session nor a token.',
    'Open a sign-in link, or send `Authorization: Bearer TOKEN`.',
  ),
  token_invalid: row(
    'A token, ticket or link was not made by this host, or not copied whole.',
    'Make a new one on the host that is asked: npx lyceum token ROLE.',
  ),
  token_expired: row(
    'A token, ticket or link was good once.',
    'Make a new one, or reload the page that has it.',
  ),
  sign_in_link_used: row(
    'A sign-in link is opened for the second time.',
    'Make another one: npx lyceum sign-in ROLE.',
  ),
  cross_site: row(
    'A page of another site has a browser change something here.',
    'Do it from a page of this host, or with a token from a program.',
  ),
  role_denied: row(
    'The role of a token may not do this, or only an admin may by now.',
    'Ask with a token of one of the roles that the message names.',
  ),
  user_denied: row(
    'Somebody asks about a person who is not theirs to see.',
    'Leave the user out; students see their own.',
  ),
  course_denied: row(
    'Somebody asks about a course that their token does not list.',
    'Check the key of the course, or get a token with --course.',
  ),
  plugin_denied: row(
    'A token does not cover the plugin, or the plugin belongs to somebody else.',
    'Publish under another name, or get a token with --plugin.',
  ),

  // one event
  event_not_json: row('A line of events is not JSON.', 'Look at the line that `index` counts to, from 0.'),
  event_not_object: row('An event is JSON, but no object.', 'Send an object for each event.'),
  event_comment: row('A line of a tracking log begins with #.', 'Nothing: such lines are left out.'),
  event_truncated: row(
    'A line of a tracking log was cut off where it was written.',
    'Let the LMS log whole lines; the event itself is lost.',
  ),
  event_too_large: row('An event has more bytes than the log keeps of one.', 'Send what is needed of it.'),
  event_too_deep: row('An event is nested more deeply than parsers bear.', 'Flatten it before it is sent.'),

  // a publish
  package_invalid: row(
    'package.json is missing, or lacks what a plugin needs of it.',
    'Write "name" (a camelCase id) and "version" (three numbers).',
  ),
  bundle_too_large: row(
    'A bundle, or its source map, is too large.',
    'Leave out a large package, or data that could be a collection.',
  ),
  bundle_broken: row(
    'The plugin cannot be bundled, or throws while it loads.',
    'Go to the place that the message names.',
  ),
  source_map_invalid: row(
    'The source map of a publish is not one.',
    'Publish with `lyceum publish`, which writes it.',
  ),
  manifest_refused: row(
    'What an endpoint is or needs cannot be read from its text, or is not there.',
    'Write it as the message shows; all places are listed.',
  ),
  options_refused: row(
    'An option of an endpoint is misspelt, or has a value that it does not take.',
    'The message names the option by its path, and what it takes.',
  ),
  version_exists: row('A version is published again with other content.', 'Raise "version" in package.json.'),
  version_newer: row('A newer version was published since this one was looked at.', 'Look at the newer one.'),
  version_unknown: row('The plugin has no version of that number.', 'See its versions: GET /v1/plugins/ID.'),

  // plugins at work
  plugin_unknown: row('No plugin has this id.', 'Check the id; GET /v1/schema lists what there is.'),
  name_unknown: row('No query has this common name.', 'Check the name; GET /v1/schema lists them.'),
  name_unresolved: row(
    'A common name has a claim, but nobody answers to it now.',
    'An admin chooses who does: PUT /v1/names/NAME.',
  ),
  endpoint_unknown: row(
    'The plugin is there, but has no view or query of that name.',
    'The message lists those that it has.',
  ),
  plugin_needed: row('A plugin is to be uninstalled that others ask.', 'Uninstall those first, or force it.'),
  nothing_pending: row(
    'There is nothing to approve or deny.',
    'See what the plugin has: GET /v1/plugins/ID.',
  ),
  plugin_pending: row(
    'A plugin asks for something beyond its own room, and waits for an admin.',
    'An admin approves it at /plugins.',
  ),
  plugin_paused: row('Somebody paused the plugin.', 'Its owner or an admin resumes it.'),
  plugin_quarantined: row(
    'A plugin broke its limits so often that it was stopped.',
    'Publish a version that stays within them, or have an admin resume it.',
  ),
  handler_halted: row(
    'A handler failed on event after event, and waits where it is.',
    'Publish a version that takes them, then retry its dead letters.',
  ),
  property_unavailable: row(
    'An event cannot be given a property, because the plugin that derives it does not answer.',
    'It is tried again; look at that plugin.',
  ),
  plugin_failed: row(
    'The code of a plugin threw an error.',
    'Go to the first line of the stack; usual mistakes are listed in [mistakes](mistakes.md).',
  ),
  over_cpu: row(
    'One call used up its CPU time.',
    'Look for a loop without an end, do less per call, or have cpuMsPerCall raised.',
  ),
  over_wall: row(
    'One call took too long, waiting included.',
    'Ask for less, or keep results up to date in a handler.',
  ),
  over_memory: row(
    'The isolate of a plugin ran out of memory.',
    'Keep less in variables; aggregate in the database.',
  ),
  over_ops: row(
    'One call asked the host for something too often.',
    'Write in bulk, and read with one find in place of many.',
  ),
  over_bytes: row(
    'One call moved too many bytes to and from the host.',
    'Project the fields that are needed.',
  ),
  over_output: row(
    'What a view or query returned is too large.',
    'Return less: a limit, or a page at a time.',
  ),
  over_cpu_rate: row(
    'A plugin used up the CPU time that it has in a minute.',
    'Wait as long as Retry-After says; do less per event, or have cpuMsPerMinute raised.',
  ),
  over_concurrency: row('Too much of the same is under way.', 'Wait until some of it has ended.'),
  asked_too_much: row(
    'One person had a view or query break its limits several times.',
    'Try again later; its author can publish a version that does less.',
  ),
  over_depth: row(
    'Plugins ask each other too deeply, or too often in one call.',
    'Ask for more at once, and keep results in a collection.',
  ),
  call_circle: row(
    'A query asks, by way of others, itself.',
    'Take one of the calls out that the message lists.',
  ),
  sandbox_lost: row(
    'A sandbox process ended while a call was in it.',
    'Try again: the host started another one.',
  ),

  // the bridge
  op_unknown: row(
    'A process sent an operation that there is not.',
    'Report it: no plugin can cause it by its own code.',
  ),
  op_denied: row(
    'An endpoint asks for what it did not destructure, what nobody approved, or after it had ended.',
    'Destructure it, have it approved, or await it.',
  ),
  op_malformed: row(
    'A facility is called with arguments that it does not take.',
    'The message shows how it is called.',
  ),
  write_denied: row('A view or query writes.', 'Write in an onEvent handler or a cron job.'),

  // documents
  document_invalid: row(
    'A document holds what cannot be stored, such as a key that begins with $.',
    'The message names the field.',
  ),
  operator_unknown: row(
    'A filter, update or pipeline has an operator that is misspelt or not offered.',
    'See [db](db.md) for those that are.',
  ),
  query_invalid: row(
    'A filter, sort, projection or pipeline is not well formed, or needs too much.',
    'The message names the part.',
  ),
  update_invalid: row(
    'An update is not well formed, or does not fit the document that it meets.',
    'Write { $set: { … } } and the like; the message names the path.',
  ),
  duplicate_key: row(
    'A write would make a second document with the same _id or the same unique key.',
    'Use updateOne with { upsert: true }.',
  ),
  document_too_large: row('A document has too many bytes.', 'Make several of it, or keep it as a file.'),
  collection_limit: row(
    'A plugin has too many collections.',
    'Keep what is alike in one collection, with a field that tells it apart.',
  ),
  result_too_large: row(
    'A read gives more than one answer holds.',
    'Add a limit or a projection, or read with for await.',
  ),
  cursor_limit: row(
    'One call has too many cursors open.',
    'Read each to its end, or break out of its loop, before the next.',
  ),
  cursor_unknown: row('A cursor is read on that was closed or has ended.', 'Begin a new one.'),
  time_limit: row('One operation took too long.', 'Add an index, or ask for less at once.'),
  store_lost: row(
    'A store process ended, or its database cannot be reached just now.',
    'Try again; what was not committed is undone.',
  ),
  store_busy: row(
    'Others were changing the same documents at the same time.',
    'It is tried again by itself.',
  ),
  cursor_lost: row(
    'A batch is committed by somebody who does not own the cursor any more.',
    'Nothing: the batch is run again by whoever does.',
  ),

  // files
  file_path_invalid: row('A path of a file is not one.', 'Write it like plots/week-1.png.'),
  file_invalid: row(
    'A file is written with something that is neither text nor bytes.',
    'Use fs.writeJson for other values.',
  ),
  file_too_large: row('A file, or one write to it, is too large.', 'Append in parts, or begin another file.'),
  file_unknown: row(
    'The file of an address was deleted, or has expired.',
    'Reload the page that has the address.',
  ),

  // replicas
  statement_refused: row(
    'A statement to a replica is more than a SELECT over what it offers.',
    'The message says which part; see [replicas](replicas.md).',
  ),
  replica_unavailable: row(
    'The database of an LMS cannot be reached just now.',
    'It is tried again; an admin sees why.',
  ),
  replica_writable: row(
    'The account that reads a replica could also write.',
    'An admin takes that right from it.',
  ),
  replica_lost: row('The process that reads a replica ended.', 'Try again.'),

  // charts
  chart_refused: row(
    'A chart cannot be drawn from what was given.',
    'The message names the field or the part of the specification.',
  ),

  // caches
  cache_value_too_large: row('A value does not fit into the cache.', 'Keep a part of it, or a file.'),
  no_sample: row(
    'A sample was asked for, and the author of the query has given none.',
    'Ask without `Prefer: sample`; as the author, run lyceum test --update, or write query({ sample: … }, …).',
  ),
  not_cached: row('Somebody wants only an answer that is kept, and none is.', 'Ask without only-if-cached.'),

  // the command line
  file_unreadable: row(
    'A file that a command names cannot be read.',
    'Check its name and that you may read it.',
  ),
  folder_taken: row('A folder that a command would fill holds something already.', 'Name another folder.'),
  server_unreachable: row('No Lyceum answers at an address.', 'Start it, or name it with --url.'),

  // the host
  data_locked: row(
    'Two hosts are started on one data folder.',
    'Stop the other, or give this one another --data.',
  ),
  data_damaged: row(
    'A file on the disk is not what was written to it.',
    'Restore it from a backup; the message says what else helps.',
  ),
  data_newer: row(
    'The data folder was used by a newer Lyceum.',
    'Run that one, or restore a copy from before.',
  ),
  port_taken: row('Something listens on the port already.', 'Stop it, or start with --port.'),
  config_invalid: row('A setting of the host is wrong.', 'The message names it; see npm start -- --help.'),
  sdk_unbuilt: row(
    'The npm package of the SDK could not be made here.',
    'An admin sees why in the log of the host.',
  ),
  shutting_down: row('The host is being stopped.', 'Send it again in a moment.'),
  database_unreachable: row(
    'The MongoDB server cannot be used.',
    'An admin looks at the server and at LYCEUM_MONGODB.',
  ),
  database_full: row(
    'The documents of a plugin take as much as its quota allows.',
    'Delete some, or have databaseMb raised; its handlers wait meanwhile.',
  ),
  files_full: row(
    'The files of a plugin take as much as its quota allows.',
    'Delete some, or have fileMb raised.',
  ),
  disk_full: row(
    'The disk of the host is full, or nearly.',
    'An admin makes room; what was accepted is kept.',
  ),
  internal: row(
    'Something went wrong in the host that nobody foresaw.',
    `Tell an admin the request id. ${OWN}`,
  ),
  nothing_to_rebuild: row(
    'A plugin is to be rebuilt that has no onEvent handler.',
    'Nothing: none of its data comes from events.',
  ),
  rebuild_ended: row(
    'A rebuild was cancelled, or another version was activated, before it was done.',
    'The data are what they were; start it again: POST /v1/plugins/ID/rebuild.',
  ),
}

function row(when: string, remedy: string): Explanation {
  return { when, remedy }
}

/** Where the host shows this, by anchors that are the codes. It is what problems have as their `type`. */
export const ERRORS_PAGE = '/docs/errors'

/** What `type` says of a code: the same for as long as the code means the same. */
export function typeOf(code: ErrorCode): `/docs/errors#${string}` {
  return `${ERRORS_PAGE}#${code}`
}
