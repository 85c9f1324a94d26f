// What every plugin is given. Charts and tables are in index.ts: a plugin that names neither does not load them.
export { Binary, Decimal128, Long, ObjectId } from './ejson.ts'
export {
  type CollectionDeclaration,
  type Cron,
  collection,
  cron,
  type Endpoint,
  type OnEvent,
  onEvent,
  type Property,
  property,
  type Query,
  query,
  type View,
  view,
} from './endpoints.ts'
export { Html, type HtmlValue, html } from './html.ts'
export {
  type NumberRules,
  type Param,
  type ParamsSchema,
  type ParamValues,
  type StringRules,
  t,
} from './t.ts'
export type * from './types.ts'
export type * from './types-cache.ts'
export type * from './types-db.ts'
export type { KnownEvents } from './types-edx.ts'
export type * from './types-events.ts'
export type * from './types-fs.ts'
export type * from './types-plugins.ts'
export type * from './types-replica.ts'
