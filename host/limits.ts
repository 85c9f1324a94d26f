import { z } from 'zod'

/** Every limit of the host, with the attack or the accident that it bounds. */
export const LIMITS = Object.freeze({
  // HTTP
  /** One body, as it arrives: a sender that fills the memory with a single request. */
  bodyBytes: 32 * 1024 * 1024,
  /** Values in the JSON of one body, events aside: brackets that cost far more to parse than to send. */
  bodyValues: 10_000,
  /** One body after gunzip: a small gzip that unpacks to gigabytes. */
  unpackedBodyBytes: 128 * 1024 * 1024,
  /** All headers of a request: a slow client that keeps sending headers. Node answers 431 above it. */
  headerBytes: 16 * 1024,
  /** Time for the headers to arrive: connections opened and left half-said. */
  headersTimeoutMs: 20_000,
  /** Time for a whole request to arrive: a body that drips in for hours. */
  requestTimeoutMs: 120_000,
  /** Connections at a time: a client that opens one after the other, until the host can open no file. */
  connections: 2_000,
  /** Characters of one dimension or parameter in a query string: long keys in logs and caches. */
  parameterChars: 1024,

  // events
  /** One event as text: a sender that logs whole files. */
  eventBytes: 256 * 1024,
  /** Levels of nesting in one event: parsers and walkers that recurse. */
  eventDepth: 64,
  /** Events in one request: a body of millions of `{}` that costs far more than its bytes. */
  eventsPerRequest: 50_000,

  // the disk
  /** Below it, or below a tenth of a small disk, events are refused: a log that leaves plugins no room to write. */
  diskReserveMb: 64,
  /** Below it, or below a twentieth of a small disk, rebuilds end: a second copy of data that leaves plugins no room. */
  diskRebuildMb: 32,
  /** A disk with less room than this is taken for full. */
  diskLeastMb: 1,

  // publishing
  /** One plugin's bundle: parsers of JavaScript that die on huge input. */
  bundleBytes: 2 * 1024 * 1024,
  /** Its source map, which is only kept and read lazily for stacks. */
  sourceMapBytes: 8 * 1024 * 1024,
  /** Reading a bundle's text: parsers that grow faster than their input. */
  checkMs: 5_000,
  checkerRssMb: 1536,
  /** One sample of a query as JSON, all of a version, and all in one schema: everybody reads them, parsed here. */
  sampleBytes: 8 * 1024,
  samplesBytes: 64 * 1024,
  schemaSamplesBytes: 1024 * 1024,
  /** The options of all endpoints of a version as JSON, with their samples: pages and the schema hold them for everybody. */
  optionsBytes: 192 * 1024,
  /** Common names that one plugin has: whoever claims all that others could want. */
  commonNames: 64,
  /** Publishes of one author under way: whoever sends many keeps the others waiting. */
  publishesAtOnce: 4,
  /** Loading a bundle once in the scratch isolate: an endless loop at the top of a module. */
  scratchLoadMs: 2_000,
  /** The same with all that it waits for: its process comes after all others, and a busy machine is no fault of a plugin. */
  scratchLoadWallMs: 15_000,

  // sandboxes and stores
  /** Resident memory of a sandbox before it is killed: guests get past V8's own limit. */
  sandboxRssMb: 1024,
  /** Isolates that a sandbox keeps; the one idle for longest goes first. */
  isolatesPerSandbox: 64,
  /** Plugins on probation that may be at work at the same time, each in a process of its own. */
  probationSandboxes: 3,
  /** Sandboxes that nobody has used for this long end. */
  sandboxIdleMs: 30_000,
  /** Batches under way when the host stops get this long; what is aborted then runs again later. */
  drainMs: 10_000,
  /** The same for a store: operators that multiply data. */
  storeRssMb: 1024,
  /** Silence after which a child counts as stuck and is killed: native loops that no timeout stops. */
  heartbeatLostMs: 2_000,
  /** One op in a store: an aggregate that blocks every other plugin of the store. */
  storeOpMs: 5_000,
  /** Time that a read may take before it stops itself. */
  storeReadMs: 2_000,
  /** An op that makes others wait this long moves its plugin to the store for the slow. */
  slowStoreOpMs: 500,
  /** Cursors that one call has open: a loop that opens and never reads. */
  cursorsPerCall: 16,
  /** Cursors that a store keeps in all, and what they may hold together: calls of many plugins at once. */
  cursorsPerStore: 1_000,
  cursorsHoldMb: 256,
  /** Rows of a cursor's first page, and of those after it: most readers stop early, the others want few round trips. */
  firstPageRows: 100,
  pageRows: 1_000,
  /** A page ends with the row that makes it larger than this. */
  pageBytes: 256 * 1024,
  /** Time that reads of other plugins' collections may take at a stretch: a reader that keeps owners from their data. */
  othersReadMs: 1_000,
  /** The same in each second after that. */
  othersReadMsPerSecond: 200,
  /** A transaction on a server: it keeps others from its documents, and the server's memory of what was before. */
  transactionMs: 30_000,
  /** Time that a server works on all pages of one cursor. */
  cursorMs: 60_000,
  /** Anything that is asked of a store which asks a server: each step of it ends by itself before. */
  serverRequestMs: 120_000,
  /** One frame on a pipe: a child that announces gigabytes. */
  frameBytes: 64 * 1024 * 1024,
  /** Times that a view or query may break its limits for one person, and how long that is remembered. */
  brokenLimitsPerPerson: 3,
  brokenLimitsMinutes: 10,
  /** Times that a question is asked again after it took its own sandbox down: each time costs a process. */
  lostSandboxRetries: 2,
  /** Calls from plugin to plugin: recursion between plugins. */
  callDepth: 4,
  /** Calls that one invocation makes to other plugins: a tree that grows exponentially. */
  callFanOut: 32,

  // files
  /** Characters of a path: keys that fill the database. */
  filePathChars: 512,
  /** One file: contents that take minutes to read. */
  fileBytes: 64 * 1024 * 1024,
  /** One write or append, as it arrives in the store: hashing and writing that keep other plugins waiting. */
  fileWriteBytes: 8 * 1024 * 1024,
  /** What one read gives; longer files are read in pages. */
  filePageBytes: 1024 * 1024,
  /** What the smallest file counts for against the quota: millions of empty files. */
  fileLeastBytes: 4096,
  /** Files in one list. */
  filesListed: 1_000,
  /** The longest life of a file that a view or query writes: readers who fill the disk. */
  transientFileSeconds: 24 * 3_600,
  /** The longest life of the address of a file, which whoever has it may read. */
  fileUrlSeconds: 24 * 3_600,
  /** Contents that no file refers to stay this long: whoever reads them may not be done. */
  unreferencedHours: 24,
  /** Files, and contents, that one sweep deletes: a store that is away for minutes. */
  sweptAtOnce: 500,

  // replicas
  /** A statement or a pipeline with its values: parsers whose time grows with what they read. */
  replicaRequestBytes: 64 * 1024,
  /** One statement, before it is parsed. */
  replicaStatementChars: 10_000,
  /** Levels of nesting in it: parsers and printers that recurse. */
  replicaStatementDepth: 100,
  /** Rows of one query: a plugin that copies the LMS instead of asking it. */
  replicaRows: 100_000,
  /** A page of rows, as they cross the bridge. */
  replicaPageRows: 1_000,
  replicaPageBytes: 256 * 1024,
  /** One row: functions that make a gigabyte out of a few rows. */
  replicaRowBytes: 4 * 1024 * 1024,
  /** Connections of one plugin to one replica: a database that others need too. */
  replicaConnections: 4,
  /** Time for a connection to a replica: one that is down and does not say so. */
  replicaConnectMs: 5_000,
  /** How long a replica that could not be used waits, at most, until it is looked at again. */
  replicaRetryMs: 60_000,
  /** Plugins that read replicas at the same time, each in a process of its own. */
  replicaReaders: 16,
  /** A reader that nobody has used for this long ends, and its connections with it. */
  replicaIdleMs: 30_000,
  /** Resident memory of a reader: rows that are larger than they look. */
  replicaReaderRssMb: 512,
  /** How much later than its deadline a query may end by itself, before its process is killed. */
  replicaGraceMs: 500,

  // rebuilds
  /** Rebuilds under way: each keeps a second copy of a plugin's data, and works beside live handlers. */
  rebuildsAtOnce: 2,
  /** The most of the time that a rebuild works while live handlers have something to do. */
  rebuildShare: 0.5,
  /** So near to the head of the log it goes on without rests, or it would never get there while events come. */
  rebuildNearEvents: 2_000,
  /** The most of a plugin's CPU time of a minute that its rebuild uses up: the rest is for its live handlers. */
  rebuildCpuShare: 0.5,
  /** How long live handlers stand still for a rebuild that is at the head of the log, until it tries again later. */
  rebuildHoldMs: 5_000,
  /** How long data that a rebuild has replaced are kept for an export that reads them: they take up the disk. */
  rebuildExportMs: 3_600_000,
  /** It is at the head where it takes no longer than this to handle what came meanwhile. */
  rebuildCatchUpMs: 500,

  // caches
  /** A key: long ones that cost more than what they stand for. */
  cacheKeyBytes: 1024,
  /** One value: every reader gets a copy of it. */
  cacheValueBytes: 4 * 1024 * 1024,
  /** What is kept for all plugins together: many that each fill their caches. */
  cachesMb: 256,
  /** How long anything is kept. */
  cacheSeconds: 30 * 24 * 3_600,
  /** How old a kept answer must be before people get it computed anew: whoever reloads without a pause. */
  refreshSeconds: 5,

  /** Events put aside one after the other before a handler stands still: one that fails on all of them. */
  failuresInARow: 100,

  // derived properties
  /** That one handler asks for: each is stored with every event of a batch. */
  propertiesPerHandler: 8,
  /** Characters of one as JSON: a property that makes every event of others large. */
  propertyChars: 4_096,
  /** Levels of nesting in one: parsers and walkers that recurse. */
  propertyDepth: 8,
  /** Characters of one that are kept for the next handler that asks. */
  propertyCacheChars: 8 * 1024 * 1024,

  // what authors see
  /** Plugins of which `/metrics` tells one by one: time series that drown the monitoring. */
  pluginsMeasured: 500,
  /** Exports under way: each reads a store page by page for as long as its reader takes. */
  exportsAtOnce: 4,
  /** Of those, exports of one person: somebody who keeps the others from theirs. */
  exportsOfOne: 2,
  /** Time for whoever reads an export to take a page: a reader that stands still, and a database's snapshot with it. */
  exportStallMs: 60_000,
  /** Characters of the reason for which an admin denies something. */
  reasonChars: 1_000,
  /** Log lines kept for one plugin, the newest win: a disk filled by `log`. */
  logLinesPerPlugin: 1_000,
  /** Log lines of one plugin in a second: a loop that only logs. */
  logLinesPerSecond: 100,
  /** Readers that follow one plugin's log: each holds a connection and lines that wait. */
  logFollowers: 16,
  /** Characters of one log line. */
  logLineChars: 2_000,
  /** Characters of one error with its stack: guests that throw megabytes. */
  errorChars: 8_000,
  /** Making the package of the SDK, beside whatever else the machine has to do. */
  sdkBuildMs: 120_000,
  /** From a failure to the next try: anybody may ask for the package. */
  sdkRetryMs: 60_000,

  // tokens
  /** The longest life of a token: one that leaked must end some day. */
  tokenDays: 400,
  /** Life of the printed sign-in link: it stays in terminals and in their logs. */
  signInLinkMinutes: 15,
  /** Life of a browser's session. */
  sessionHours: 12,
  /** Life of the address of a view's frame, which the view's own script can read. */
  frameTicketSeconds: 60,
  /** The address of a frame, which has to fit into the headers beside the cookie: endless parameters. */
  frameAddressChars: 10 * 1024,

  // CSV
  /** Columns of a table: rows that each have keys of their own make a table of their product. */
  csvColumns: 1_000,
  csvCells: 5_000_000,
  /** Characters of a table, which may be many times those of its JSON. */
  csvBytes: 48 * 1024 * 1024,
  csvMs: 5_000,
  csvRssMb: 1_024,
  /** Plugins that wait for the one process that writes CSV, and requests of each: every one holds a result in memory. */
  csvWaiting: 8,
  csvWaitingOfPlugin: 8,

  // charts
  /** Bytes of one chart's specification with its data: they are read by a drawer that takes a multiple. */
  chartBytes: 1024 * 1024,
  /** Rows of one set of data in a chart: time that grows with them. */
  chartRows: 10_000,
  /** Marks that a chart draws: a short specification that makes a long picture. */
  chartMarks: 20_000,
  /** Characters of the picture. */
  chartSvgBytes: 2 * 1024 * 1024,
  /** Heap of the isolate that draws the charts of a plugin. */
  chartMemoryMb: 128,
  /** Isolates that draw charts; the one idle for longest goes. */
  chartIsolates: 16,
  /** Loading what draws, which no plugin is charged for: more than a busy machine takes. */
  chartLoadMs: 10_000,

  // pages
  /** Pages that watch how far a view is: each holds a connection. */
  progressWatchers: 500,
  /** Courses that the host remembers, to offer them: a sender that invents course keys. */
  coursesKnown: 10_000,
  /** Courses that a page offers. */
  coursesOffered: 200,
} as const)

/** What one plugin may use, each changed live by an admin. */
export interface Quota {
  /** Heap of an isolate. */
  memoryMb: number
  /** CPU time of one call, all of its turns together. */
  cpuMsPerCall: number
  /** Time from the start of a call to its answer. */
  wallMs: number
  concurrentCalls: number
  opsPerCall: number
  /** Bytes over the bridge, both ways. */
  bytesPerCall: number
  /** CPU time of all calls together in a minute. */
  cpuMsPerMinute: number
  databaseMb: number
  /** Contents of all files. */
  fileMb: number
  cacheMb: number
  /** One result. */
  outputBytes: number
  /** Events that wait for the slowest handler. */
  backlogEvents: number
}

/** A new plugin's quota. */
export const QUOTA_DEFAULTS: Readonly<Quota> = Object.freeze({
  memoryMb: 64,
  cpuMsPerCall: 2_000,
  wallMs: 10_000,
  concurrentCalls: 16,
  opsPerCall: 10_000,
  bytesPerCall: 32 * 1024 * 1024,
  cpuMsPerMinute: 60_000,
  databaseMb: 1_024,
  fileMb: 256,
  cacheMb: 8,
  outputBytes: 4 * 1024 * 1024,
  backlogEvents: 10_000_000,
})

/** What an admin may raise a quota to: above it one plugin would endanger its process or the machine. */
export const QUOTA_CEILINGS: Readonly<Quota> = Object.freeze({
  memoryMb: 512,
  cpuMsPerCall: 60_000,
  wallMs: 300_000,
  concurrentCalls: 256,
  opsPerCall: 1_000_000,
  bytesPerCall: 512 * 1024 * 1024,
  cpuMsPerMinute: 240_000,
  databaseMb: 102_400,
  fileMb: 102_400,
  cacheMb: 256,
  outputBytes: 32 * 1024 * 1024,
  backlogEvents: 1_000_000_000,
})

/** The names of all quotas. */
export const QUOTA_NAMES = Object.keys(QUOTA_DEFAULTS) as readonly (keyof Quota)[]

/** isolated-vm starts no isolate below 8 MB; the other quotas only have to leave something. */
const LEAST_MEMORY_MB = 8

/** A partial update of a quota: unknown names and values over the ceiling are refused. */
export function quotaSchema(ceilings: Readonly<Quota>) {
  const quota = (name: keyof Quota) =>
    z
      .int()
      .min(name === 'memoryMb' ? LEAST_MEMORY_MB : 1)
      .max(ceilings[name])
      .optional()
  const shape = {
    memoryMb: quota('memoryMb'),
    cpuMsPerCall: quota('cpuMsPerCall'),
    wallMs: quota('wallMs'),
    concurrentCalls: quota('concurrentCalls'),
    opsPerCall: quota('opsPerCall'),
    bytesPerCall: quota('bytesPerCall'),
    cpuMsPerMinute: quota('cpuMsPerMinute'),
    databaseMb: quota('databaseMb'),
    fileMb: quota('fileMb'),
    cacheMb: quota('cacheMb'),
    outputBytes: quota('outputBytes'),
    backlogEvents: quota('backlogEvents'),
  }
  return z.strictObject(shape, {
    error: ({ code, keys }) =>
      code === 'unrecognized_keys'
        ? `There is no limit ${keys.map((key) => JSON.stringify(key)).join(', ')}. There are: ${QUOTA_NAMES.join(', ')}`
        : undefined,
  })
}

/** What a process or a frame can bear: the configuration lowers these ceilings, and raises only the others. */
const FIXED_CEILINGS: readonly (keyof Quota)[] = ['memoryMb', 'cpuMsPerCall', 'bytesPerCall', 'outputBytes']

/** What a configuration may set the ceilings to. */
export const CEILINGS_SCHEMA = quotaSchema({
  ...(Object.fromEntries(QUOTA_NAMES.map((name) => [name, Number.MAX_SAFE_INTEGER])) as Record<
    keyof Quota,
    number
  >),
  ...Object.fromEntries(FIXED_CEILINGS.map((name) => [name, QUOTA_CEILINGS[name]])),
})
