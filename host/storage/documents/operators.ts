/**
 * Everything of the MongoDB language that is offered. A name that is not on one of these lists is refused before
 * any of it runs; `$where`, `$function`, `$accumulator`, `$jsonSchema`, `$out` and `$merge` never will be.
 */

/** In filters, for a field. */
// biome-ignore format: a list to read
export const FIELD_OPERATORS: ReadonlySet<string> = new Set([
  '$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$not', '$exists', '$type', '$mod', '$regex',
  '$options', '$all', '$elemMatch', '$size',
])

/** In filters, at the top. */
export const LOGICAL_OPERATORS: ReadonlySet<string> = new Set(['$and', '$or', '$nor', '$expr'])

/**
 * In updates. Paths may hold `$[]` and, with `arrayFilters`, `$[name]`; the positional `$` is refused. An update may
 * also be a pipeline of {@link UPDATE_STAGES}.
 */
// biome-ignore format: a list to read
export const UPDATE_OPERATORS: ReadonlySet<string> = new Set([
  '$set', '$setOnInsert', '$unset', '$inc', '$mul', '$min', '$max', '$rename', '$currentDate', '$push',
  '$addToSet', '$pop', '$pull', '$pullAll',
])

/** What `$push` and `$addToSet` take beside a plain value (`$addToSet`: only `$each`). */
export const PUSH_MODIFIERS: ReadonlySet<string> = new Set(['$each', '$slice', '$sort', '$position'])

// biome-ignore format: a list to read
export const UPDATE_STAGES: ReadonlySet<string> = new Set([
  '$set', '$addFields', '$unset', '$project', '$replaceRoot', '$replaceWith',
])

/** In pipelines. `$lookup` and `$facet` hold pipelines of their own. */
// biome-ignore format: a list to read
export const STAGES: ReadonlySet<string> = new Set([
  ...UPDATE_STAGES, '$match', '$group', '$sort', '$limit', '$skip', '$unwind', '$count', '$sortByCount',
  '$bucket', '$facet', '$lookup', '$sample',
])

/** In `$group` and `$bucket`. */
// biome-ignore format: a list to read
export const ACCUMULATORS: ReadonlySet<string> = new Set([
  '$sum', '$avg', '$min', '$max', '$count', '$first', '$last', '$firstN', '$lastN', '$push', '$addToSet',
  '$stdDevPop', '$stdDevSamp', '$mergeObjects',
])

/** In expressions. */
// biome-ignore format: a list to read
export const EXPRESSION_OPERATORS: ReadonlySet<string> = new Set([
  // arithmetic
  '$abs', '$add', '$ceil', '$divide', '$exp', '$floor', '$ln', '$log', '$log10', '$mod', '$multiply',
  '$pow', '$round', '$sqrt', '$subtract', '$trunc',
  // over an array or a list of values
  '$sum', '$avg', '$min', '$max', '$stdDevPop', '$stdDevSamp',
  // comparison, logic, conditions, variables
  '$cmp', '$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$and', '$or', '$not', '$cond', '$ifNull', '$switch',
  '$let', '$literal',
  // strings
  '$concat', '$indexOfCP', '$ltrim', '$regexFind', '$regexFindAll', '$regexMatch', '$replaceAll',
  '$replaceOne', '$rtrim', '$split', '$strcasecmp', '$strLenBytes', '$strLenCP', '$substr', '$substrBytes',
  '$substrCP', '$toLower', '$toUpper', '$trim',
  // arrays
  '$arrayElemAt', '$arrayToObject', '$concatArrays', '$filter', '$first', '$in', '$indexOfArray',
  '$isArray', '$last', '$map', '$range', '$reduce', '$reverseArray', '$size', '$slice', '$sortArray',
  '$zip',
  // sets
  '$setDifference', '$setEquals', '$setIntersection', '$setIsSubset', '$setUnion', '$allElementsTrue',
  '$anyElementTrue',
  // objects
  '$getField', '$mergeObjects', '$objectToArray', '$setField',
  // dates
  '$dateAdd', '$dateDiff', '$dateFromParts', '$dateFromString', '$dateSubtract', '$dateToParts',
  '$dateToString', '$dateTrunc', '$dayOfMonth', '$dayOfWeek', '$dayOfYear', '$hour', '$isoDayOfWeek',
  '$isoWeek', '$isoWeekYear', '$millisecond', '$minute', '$month', '$second', '$week', '$year',
  // types
  '$convert', '$isNumber', '$toBool', '$toDate', '$toDouble', '$toInt', '$toLong', '$toString', '$type',
])
