import { didYouMean, nameProblem, printable } from './manifest-names.ts'

/** What the host itself writes to `event.props`. Nobody else provides these. */
export const HOST_PROPS: readonly string[] = ['id', 'type', 'time', 'received', 'course', 'user', 'raw']

/** The most characters of a namespace, and of the name of a property in it. */
const MAX_NAMESPACE = 40
const MAX_PROPERTY = 64

/** Why this cannot be a namespace; undefined where it can. The end of a sentence that begins with it. */
export function namespaceProblem(namespace: string): string | undefined {
  return HOST_PROPS.includes(namespace)
    ? "is one of the host's own; choose another namespace"
    : nameProblem(namespace, MAX_NAMESPACE)
}

/**
 * Why this cannot be the name of a derived property as handlers write it, `actor` or `tincan.actor`; undefined
 * where it can. The end of a sentence that begins with the name.
 */
export function derivedNameProblem(name: string): string | undefined {
  const [first = '', own, ...rest] = name.slice(0, MAX_NAMESPACE + MAX_PROPERTY + 2).split('.')
  if (rest.length > 0) return 'has more than one dot; write `NAME` or `NAMESPACE.NAME`'
  if (HOST_PROPS.includes(first)) return 'is there without being asked for'
  return own === undefined
    ? nameProblem(first, MAX_PROPERTY)
    : (nameProblem(first, MAX_NAMESPACE) ?? nameProblem(own, MAX_PROPERTY))
}

/** The name by which handlers ask for a property. */
export function derivedName(namespace: string | undefined, own: string): string {
  return namespace === undefined ? own : `${namespace}.${own}`
}

/** The key of `event.props` under which a property stands. */
export function keyOf(name: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? name : name.slice(0, dot)
}

/** Whether a field of a filter is decided by a derived property, which the log does not have. */
export function isDerived(path: readonly string[]): boolean {
  return path[0] === 'props' && path[1] !== undefined && !HOST_PROPS.includes(path[1])
}

/**
 * Why a filter may not ask for a field of `event.props`.
 * @param derived the derived properties that the handler asked for; undefined where it can ask for none
 */
export function propsFieldProblem(
  path: readonly string[],
  derived: readonly string[] | undefined,
): string | undefined {
  if (!isDerived(path)) return undefined
  const field = path.join('.')
  if (derived?.some((name) => field === `props.${name}` || field.startsWith(`props.${name}.`)))
    return undefined
  const meant = didYouMean(path[1] ?? '', HOST_PROPS)
  const own = `\`props\` has ${HOST_PROPS.join(', ')} only.${meant}`
  if (derived === undefined || meant !== '') return own
  const asked = printable(path.slice(1, 3).join('.'), MAX_NAMESPACE + MAX_PROPERTY)
  return `${own} If a plugin derives it, ask for it beside \`where\`: props: ['${asked}']`
}
