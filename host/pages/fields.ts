import { html } from 'hono/html'
import { mayChooseUser } from '../auth/dimensions.ts'
import type { Caller } from '../auth/tokens.ts'
import type { Host } from '../host.ts'
import { LIMITS } from '../limits.ts'
import type { Dimension } from '../registry/manifest-names.ts'
import type { Param } from '../registry/params.ts'
import type { ReadingEndpoint } from '../registry/plugin.ts'
import type { Markup } from './layout.ts'

/** The courses that a page offers a person. */
export interface CourseOffer {
  readonly courses: readonly string[]
  /** Whether these are all that the person can ask about, so that nothing has to be typed. */
  readonly complete: boolean
}

/** One thing that a person can fill in before a view is shown. */
export interface Field {
  readonly name: string
  readonly label: string
  readonly hint: string
  readonly required: boolean
  readonly value: string
  readonly control: Control
}

type Control =
  | { readonly kind: 'text'; readonly max: number; readonly suggestions: readonly string[] }
  | { readonly kind: 'number'; readonly min: number | ''; readonly max: number | ''; readonly whole: boolean }
  | { readonly kind: 'select'; readonly options: readonly string[] }

const LABELS: Record<Dimension, string> = {
  user: 'Person',
  course: 'Course',
  section: 'Section',
  problem: 'Problem',
  video: 'Video',
  page: 'Page',
  cohort: 'Cohort',
  session: 'Session',
}

/** The name that people read for a dimension or parameter. */
export function labelOf(name: string): string {
  return Object.hasOwn(LABELS, name) ? LABELS[name as Dimension] : name
}

/** The courses of a token that lists some; else those that events named, for whoever may see all of them. */
export function coursesFor(host: Pick<Host, 'log'>, caller: Caller): CourseOffer {
  if (caller.role !== 'admin' && caller.courses.length > 0) return { courses: caller.courses, complete: true }
  if (caller.role !== 'admin' && caller.role !== 'researcher') return { courses: [], complete: false }
  const known = host.log.courses(LIMITS.coursesOffered + 1).map(({ course }) => course)
  const complete = known.length > 0 && known.length <= LIMITS.coursesOffered
  return { courses: known.slice(0, LIMITS.coursesOffered), complete }
}

/** What a person can fill in for an endpoint, with what is filled in already. */
export function fieldsOf(
  { dimensions, options }: ReadingEndpoint,
  caller: Caller,
  offer: CourseOffer,
  filled: ReadonlyMap<string, string>,
): Field[] {
  const asked = dimensions.filter((name) => name !== 'user' || mayChooseUser(caller, dimensions))
  return [
    ...asked.map((name) => dimensionField(name, offer, filled.get(name) ?? '')),
    ...[...options.params].map(([name, param]) => paramField(name, param, filled.get(name))),
  ]
}

function dimensionField(name: Dimension, { courses, complete }: CourseOffer, value: string): Field {
  const shared = { name, label: LABELS[name], hint: '', required: true, value }
  if (name === 'course' && complete) {
    const options = value === '' || courses.includes(value) ? courses : [value, ...courses]
    return { ...shared, control: { kind: 'select', options } }
  }
  const hint = name === 'user' ? 'The user name that events have' : ''
  const suggestions = name === 'course' ? courses : []
  return { ...shared, hint, control: { kind: 'text', max: LIMITS.parameterChars, suggestions } }
}

function paramField(name: string, param: Param, filled: string | undefined): Field {
  return {
    name,
    label: name,
    hint: param.type === 'date' ? 'A day such as 2026-09-01' : '',
    required: param.default === undefined && param.required !== false,
    value: filled ?? String(param.default ?? ''),
    control: controlOf(param),
  }
}

function controlOf(param: Param): Control {
  switch (param.type) {
    case 'number':
      return { kind: 'number', min: param.min ?? '', max: param.max ?? '', whole: param.integer === true }
    case 'boolean':
      return { kind: 'select', options: ['true', 'false'] }
    case 'enum':
      return { kind: 'select', options: param.values }
    case 'string':
      return { kind: 'text', max: param.max ?? LIMITS.parameterChars, suggestions: [] }
    case 'date':
      return { kind: 'text', max: 40, suggestions: [] }
  }
}

/** A field with its label. @param form tells the fields of several forms on a page apart */
export function fieldMarkup(field: Field, form: string): Markup {
  const id = `${form}-${field.name}`
  if (isDecided(field)) return html`<input type="hidden" name="${field.name}" value="${onlyOption(field)}">`
  return html`<div class="field">
<label for="${id}">${field.label}${field.hint && html` <small>${field.hint}</small>`}</label>
${control(field, id)}
</div>`
}

/** Whether there is nothing to choose. */
export function isDecided(field: Field): boolean {
  return onlyOption(field) !== undefined
}

function onlyOption({ control, required }: Field): string | undefined {
  return control.kind === 'select' && required && control.options.length === 1
    ? control.options[0]
    : undefined
}

function control({ name, required, value, control }: Field, id: string): Markup {
  const need = required ? html` required` : ''
  switch (control.kind) {
    case 'select': {
      const options = required ? control.options : ['', ...control.options]
      return html`<select id="${id}" name="${name}"${need}>${options.map(
        (option) =>
          html`<option value="${option}"${option === value ? html` selected` : ''}>${option || '(not set)'}</option>`,
      )}</select>`
    }
    case 'number':
      return html`<input id="${id}" name="${name}" type="number" value="${value}" min="${control.min}" max="${control.max}" step="${control.whole ? '1' : 'any'}"${need}>`
    case 'text':
      return html`<input id="${id}" name="${name}" value="${value}" maxlength="${control.max}" autocomplete="off" spellcheck="false"${need}${control.suggestions.length > 0 ? html` list="${id}-known"` : ''}>
${control.suggestions.length > 0 ? html`<datalist id="${id}-known">${control.suggestions.map((known) => html`<option value="${known}"></option>`)}</datalist>` : ''}`
  }
}
