import type { Lacks } from './reasons.ts'

/** mongo-java-server 1.47. */
export const MONGO_JAVA_SERVER: Lacks = {
  // biome-ignore format: a list to read
  'it has no transactions, so what a batch did before it failed stays': [
    'transactions',
  ],
  // biome-ignore format: a list to read
  'it does not know it': [
    '$acos', '$acosh', '$asin', '$asinh', '$atan', '$atan2', '$atanh', '$binarySize', '$bitAnd', '$bitNot',
    '$bitOr', '$bitXor', '$bsonSize', '$cos', '$cosh', '$dateAdd', '$dateDiff', '$dateFromParts',
    '$dateFromString', '$dateSubtract', '$dateToParts', '$dateTrunc', '$degreesToRadians', '$filter',
    '$first', '$firstN', '$getField', '$hour', '$isNumber', '$isoDayOfWeek', '$isoWeek', '$isoWeekYear',
    '$last', '$lastN', '$let', '$ltrim', '$maxN', '$median', '$millisecond', '$minN', '$percentile',
    '$radiansToDegrees', '$regexFind', '$regexFindAll', '$regexMatch', '$replaceAll', '$replaceOne',
    '$round', '$rtrim', '$setField', '$sin', '$sinh', '$sortArray', '$stdDevPop', '$stdDevSamp',
    '$strcasecmp', '$switch', '$tan', '$tanh', '$toDate', '$toDecimal', '$trim', '$type', '$unsetField',
    '$week', '$year', '$zip', 'updatePipelines', 'accumulators $addToSet', 'accumulators $avg',
    'accumulators $bottom', 'accumulators $bottomN', 'accumulators $count', 'accumulators $first',
    'accumulators $firstN', 'accumulators $last', 'accumulators $lastN', 'accumulators $max',
    'accumulators $maxN', 'accumulators $median', 'accumulators $mergeObjects', 'accumulators $min',
    'accumulators $minN', 'accumulators $percentile', 'accumulators $push', 'accumulators $stdDevPop',
    'accumulators $stdDevSamp', 'accumulators $sum', 'accumulators $top', 'accumulators $topN',
    'filters $bitsAllClear', 'filters $bitsAllSet', 'filters $bitsAnyClear', 'filters $bitsAnySet',
    'stages $bucketAuto', 'stages $densify', 'stages $fill', 'stages $graphLookup', 'stages $lookup',
    'stages $redact', 'stages $replaceWith', 'stages $set', 'stages $setWindowFields', 'stages $unionWith',
    'updates $bit', 'updates update $addFields', 'updates update $project', 'updates update $replaceRoot',
    'updates update $replaceWith', 'updates update $set', 'updates update $unset',
    'window functions $addToSet', 'window functions $avg', 'window functions $bottom',
    'window functions $bottomN', 'window functions $count', 'window functions $covariancePop',
    'window functions $covarianceSamp', 'window functions $denseRank', 'window functions $derivative',
    'window functions $documentNumber', 'window functions $expMovingAvg', 'window functions $first',
    'window functions $firstN', 'window functions $integral', 'window functions $last',
    'window functions $lastN', 'window functions $linearFill', 'window functions $locf',
    'window functions $max', 'window functions $maxN', 'window functions $median', 'window functions $min',
    'window functions $minN', 'window functions $percentile', 'window functions $push',
    'window functions $rank', 'window functions $shift', 'window functions $stdDevPop',
    'window functions $stdDevSamp', 'window functions $sum', 'window functions $top',
    'window functions $topN',
  ],
  // biome-ignore format: a list to read
  'it answers something else': [
    '$add', '$arrayElemAt', '$arrayToObject', '$ceil', '$cond', '$dateToString', '$dayOfWeek', '$divide',
    '$eq', '$floor', '$gte', '$ifNull', '$indexOfCP', '$ln', '$log', '$log10', '$map', '$mod', '$multiply',
    '$ne', '$objectToArray', '$pow', '$slice', '$split', '$sqrt', '$strLenBytes', '$strLenCP',
    '$substrBytes', '$substrCP', '$subtract', '$toInt', '$toLower', '$toString', '$toUpper', '$trunc',
    'filters $all', 'filters $gte', 'filters $lt', 'projections $', 'projections $elemMatch',
    'stages $addFields', 'stages $bucket', 'updates $addToSet', 'updates $inc', 'updates $pop',
    'updates positional $', 'bytes of another subtype',
  ],
}
