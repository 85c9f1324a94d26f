/**
 * Everything of the MongoDB language that is offered. A name that is not on one of these lists is refused before
 * any of it runs; `$where`, `$function`, `$accumulator`, `$jsonSchema`, `$out` and `$merge` never will be.
 * `docs/db.md` shows them, and every one has cases in `test/contracts/cases`.
 */
type Names = ReadonlySet<string>

const names = (text: string): readonly string[] => text.trim().split(/\s+/)

/** In filters, for a field. */
export const FIELD_OPERATORS: Names = new Set(
  names(`$eq $ne $gt $gte $lt $lte $in $nin $not $exists $type $mod $regex $options $all $elemMatch $size
    $bitsAllSet $bitsAllClear $bitsAnySet $bitsAnyClear`),
)

/** In filters, at the top. */
export const LOGICAL_OPERATORS: Names = new Set(names('$and $or $nor $expr $comment $sampleRate'))

/**
 * In updates. Paths may hold `$`, `$[]` and, with `arrayFilters`, `$[name]`. An update may also be a pipeline of
 * {@link UPDATE_STAGES}.
 */
export const UPDATE_OPERATORS: Names = new Set(
  names(
    `$set $setOnInsert $unset $inc $mul $min $max $rename $currentDate $bit $push $addToSet $pop $pull $pullAll`,
  ),
)

/** What `$push` and `$addToSet` take beside a plain value (`$addToSet`: only `$each`). */
export const PUSH_MODIFIERS: Names = new Set(names('$each $slice $sort $position'))

/** In the projection of a `find`, beside expressions. */
export const PROJECTION_OPERATORS: Names = new Set(names('$slice $elemMatch $'))

export const UPDATE_STAGES: Names = new Set(
  names('$set $addFields $unset $project $replaceRoot $replaceWith'),
)

/** In pipelines. `$lookup`, `$unionWith` and `$facet` hold pipelines of their own. */
export const STAGES: Names = new Set([
  ...UPDATE_STAGES,
  ...names(`$match $group $sort $limit $skip $unwind $count $sortByCount $bucket $bucketAuto $facet $lookup
    $graphLookup $unionWith $sample $redact $setWindowFields $densify $fill`),
])

/** In `$group`, `$bucket` and `$bucketAuto`. */
export const ACCUMULATORS: Names = new Set(
  names(`$sum $avg $min $max $count $first $last $firstN $lastN $minN $maxN $top $topN $bottom $bottomN $push
    $addToSet $stdDevPop $stdDevSamp $median $percentile $mergeObjects`),
)

/** In `$setWindowFields`, over the documents of a window. */
export const WINDOW_ACCUMULATORS: Names = new Set([
  ...[...ACCUMULATORS].filter((name) => name !== '$mergeObjects'),
  ...names('$covariancePop $covarianceSamp'),
])

/** In `$setWindowFields`. */
export const WINDOW_FUNCTIONS: Names = new Set([
  ...WINDOW_ACCUMULATORS,
  ...names(`$rank $denseRank $documentNumber $shift $derivative $integral $expMovingAvg $linearFill $locf`),
])

/** In expressions, by subject. */
export const EXPRESSIONS: Readonly<Record<string, readonly string[]>> = {
  arithmetic:
    names(`$abs $add $ceil $divide $exp $floor $ln $log $log10 $mod $multiply $pow $round $sqrt $subtract
    $trunc $rand`),
  bits: names('$bitAnd $bitNot $bitOr $bitXor'),
  trigonometry: names(`$sin $cos $tan $asin $acos $atan $atan2 $sinh $cosh $tanh $asinh $acosh $atanh
    $degreesToRadians $radiansToDegrees`),
  'over a list of values': names('$sum $avg $min $max $stdDevPop $stdDevSamp $median $percentile'),
  'comparison and logic': names('$cmp $eq $ne $gt $gte $lt $lte $and $or $not'),
  'conditions and variables': names('$cond $ifNull $switch $let $literal'),
  strings: names(`$concat $indexOfBytes $indexOfCP $ltrim $regexFind $regexFindAll $regexMatch $replaceAll
    $replaceOne $rtrim $split $strcasecmp $strLenBytes $strLenCP $substr $substrBytes $substrCP $toLower $toUpper
    $trim`),
  arrays:
    names(`$arrayElemAt $arrayToObject $concatArrays $filter $first $firstN $in $indexOfArray $isArray $last
    $lastN $map $maxN $minN $range $reduce $reverseArray $size $slice $sortArray $zip`),
  sets: names(
    `$setDifference $setEquals $setIntersection $setIsSubset $setUnion $allElementsTrue $anyElementTrue`,
  ),
  objects: names(`$getField $mergeObjects $objectToArray $setField $unsetField $binarySize $bsonSize`),
  dates:
    names(`$dateAdd $dateDiff $dateFromParts $dateFromString $dateSubtract $dateToParts $dateToString $dateTrunc
    $dayOfMonth $dayOfWeek $dayOfYear $hour $isoDayOfWeek $isoWeek $isoWeekYear $millisecond $minute $month $second
    $week $year`),
  types: names(
    `$convert $isNumber $toBool $toDate $toDecimal $toDouble $toInt $toLong $toObjectId $toString $type`,
  ),
}

export const EXPRESSION_OPERATORS: Names = new Set(Object.values(EXPRESSIONS).flat())
