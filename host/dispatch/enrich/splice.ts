import { LyceumError } from '../../errors.ts'

/**
 * Puts derived properties into `event.props`, as text: `props` is the last thing in every event of the log.
 *
 * @param text the event as the log has it
 * @param names what each value is, `actor` or `tincan.actor`, sorted; none the name of a property of the host
 * @param values each as checked JSON, or null where the event has none
 */
export function withDerived(
  text: string,
  names: readonly string[],
  values: readonly (string | null)[],
): string {
  let added = ''
  let open = ''
  for (const [index, name] of names.entries()) {
    const value = values[index]
    if (typeof value !== 'string') continue
    const dot = name.indexOf('.')
    const namespace = dot < 0 ? '' : name.slice(0, dot)
    if (open !== '' && namespace !== open) added += '}'
    if (namespace === '') added += `,"${name}":${value}`
    else added += `${namespace === open ? ',' : `,"${namespace}":{`}"${name.slice(dot + 1)}":${value}`
    open = namespace
  }
  if (added === '') return text
  if (!text.endsWith('}}'))
    throw new LyceumError('internal', 'An event of the log does not end with `props`.')
  return `${text.slice(0, -2)}${added}${open === '' ? '' : '}'}}}`
}
