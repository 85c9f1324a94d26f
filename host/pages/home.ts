import { html } from 'hono/html'
import { mayEverOpen } from '../auth/dimensions.ts'
import type { Caller } from '../auth/tokens.ts'
import type { ReadingEndpoint } from '../registry/plugin.ts'
import { type CourseOffer, type Field, fieldMarkup, fieldsOf, isDecided } from './fields.ts'
import { layout, type Markup } from './layout.ts'

/** A plugin with those of its views and queries that the token reaches. */
export interface PluginOffer {
  readonly id: string
  readonly title: string
  readonly description: string
  readonly endpoints: readonly ReadingEndpoint[]
}

/** What the first page is made of. */
export interface Home {
  readonly caller: Caller
  readonly plugins: readonly PluginOffer[]
  readonly offer: CourseOffer
  /** The course that the page is set to; '' for none. */
  readonly course: string
  readonly showsQueries: boolean
  /** That of the host, for commands that authors copy. */
  readonly address: string
  readonly properties: readonly PropertyOffer[]
}

/** A derived property, with the plugins that are asked for it in their order. */
export interface PropertyOffer {
  readonly name: string
  readonly providers: readonly { readonly plugin: string; readonly description: string }[]
}

/** The first page: what the signed-in person can look at, one click away where nothing has to be chosen. */
export function homePage(home: Home): Markup {
  const plugins = home.plugins
    .map((plugin) => ({
      ...plugin,
      endpoints: plugin.endpoints.filter(({ dimensions }) => mayEverOpen(home.caller, dimensions)),
    }))
    .filter(({ endpoints }) => endpoints.length > 0)
  const endpoints = plugins.flatMap((plugin) => plugin.endpoints)
  const asksCourse = endpoints.some(({ dimensions }) => dimensions.includes('course'))
  const withViews = plugins.filter((plugin) => viewsOf(plugin).length > 0)
  return layout({
    title: 'Views',
    caller: home.caller,
    body: html`<h1>Views</h1>
${asksCourse ? coursePicker(home) : ''}
${withViews.length > 0 ? withViews.map((plugin) => pluginSection(plugin, home)) : nothing(home.caller)}
${home.showsQueries ? querySection(plugins, home) : ''}
${home.showsQueries ? propertySection(home.properties) : ''}
${isAuthor(home.caller) ? howToBegin(home.address) : ''}`,
  })
}

function nothing(caller: Caller): Markup {
  return html`<p>There is nothing here for you yet.${isAuthor(caller) ? ' Publish a plugin with a view.' : ''}</p>`
}

function isAuthor({ role }: Caller): boolean {
  return role === 'author' || role === 'admin'
}

/** The one command that a plugin begins with. */
function howToBegin(address: string): Markup {
  return html`<p class="muted">A plugin of your own begins in a terminal, in any folder:
<code>npx --package ${address}/sdk.tgz lyceum init myPlugin</code></p>`
}

/** Set once for the page, so that the views of a course are links. */
function coursePicker({ offer: { courses, complete }, course }: Home): Markup {
  const field: Field = {
    name: 'course',
    label: 'Course',
    hint: '',
    required: true,
    value: course,
    control: complete
      ? {
          kind: 'select',
          options: course === '' || courses.includes(course) ? courses : [course, ...courses],
        }
      : { kind: 'text', max: 255, suggestions: courses },
  }
  if (isDecided(field)) return html`<p class="about">Course <strong>${course}</strong></p>`
  return html`<form class="bar" method="get" action="/">
${fieldMarkup(field, 'set')}
<button>Set course</button>
</form>`
}

function pluginSection(plugin: PluginOffer, home: Home): Markup {
  return html`<section aria-labelledby="plugin-${plugin.id}">
<h2 id="plugin-${plugin.id}">${plugin.title}</h2>
${plugin.description && html`<p class="muted">${plugin.description}</p>`}
<ul class="cards">${viewsOf(plugin).map((view) => card(plugin.id, view, home))}</ul>
</section>`
}

function card(plugin: string, view: ReadingEndpoint, home: Home): Markup {
  const { href, open, address, given } = wayTo(`/views/${plugin}/${view.name}`, view, home)
  const title = view.title
  return html`<li class="card">
<h3>${open.length === 0 ? html`<a href="${href}">${title}</a>` : title}</h3>
${view.description && html`<p>${view.description}</p>`}
${
  open.length > 0
    ? html`<form method="get" action="${address}" aria-label="${title}">
${[...given].map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
${open.map((field) => fieldMarkup(field, `${plugin}-${view.name}`))}
<button>Open<span class="hidden"> ${title}</span></button>
</form>`
    : ''
}
</li>`
}

function querySection(plugins: readonly PluginOffer[], home: Home): Markup {
  const rows = plugins.flatMap((plugin) =>
    plugin.endpoints.filter(({ kind }) => kind === 'query').map((query) => queryRow(plugin.id, query, home)),
  )
  if (rows.length === 0) return html``
  return html`<section aria-labelledby="queries">
<h2 id="queries">Queries</h2>
<p class="muted">The same results as data, for programs. <a href="/openapi.json">All of them as OpenAPI</a></p>
<ul class="queries">${rows}</ul>
</section>`
}

function queryRow(plugin: string, query: ReadingEndpoint, home: Home): Markup {
  const { href, open } = wayTo(`/v1/queries/${plugin}/${query.name}`, query, home)
  const name = html`<code>${plugin}.${query.name}</code>`
  return html`<li>${open.length === 0 ? html`<a href="${href}">${name}</a>` : name}
${query.description && html`<span class="muted">${query.description}</span>`}
${open.length > 0 ? html`<span class="muted">Needs ${open.map((field) => html`<code>?${field.name}=</code> `)}</span>` : ''}</li>`
}

function propertySection(properties: readonly PropertyOffer[]): Markup {
  if (properties.length === 0) return html``
  return html`<section aria-labelledby="properties">
<h2 id="properties">Derived properties</h2>
<p class="muted">What plugins make of events, for handlers that ask for it.</p>
<ul class="queries">${properties.map(propertyRow)}</ul>
</section>`
}

function propertyRow({ name, providers }: PropertyOffer): Markup {
  const described = providers.find(({ description }) => description !== '')
  return html`<li><code>event.props.${name}</code>
<span class="muted">${described?.description} By ${providers.map(({ plugin }) => plugin).join(', ')}.</span></li>`
}

function viewsOf(plugin: PluginOffer): ReadingEndpoint[] {
  return plugin.endpoints.filter(({ kind }) => kind === 'view')
}

/** The address of an endpoint with what is decided already, and what a person still has to fill in. */
function wayTo(address: string, endpoint: ReadingEndpoint, { caller, offer, course }: Home) {
  const given = new URLSearchParams()
  if (course !== '' && endpoint.dimensions.includes('course')) given.set('course', course)
  const open = fieldsOf(endpoint, caller, offer, new Map()).filter(
    ({ name, required }) => required && !given.has(name),
  )
  return { href: given.size > 0 ? `${address}?${given}` : address, open, address, given }
}
