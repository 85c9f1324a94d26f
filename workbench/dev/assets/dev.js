// The page of a plugin in development: asks for each part again when the host says that it is not what it was,
// and changes what is shown without leaving the page. What is chosen stands in the address.

// On a phone what is shown comes before how it is shown.
document.querySelector('.settings').open = !matchMedia('(max-width: 48rem)').matches

const partOf = (name) => document.querySelector(`[data-part="${name}"]`)
const shown = new Map()

/** The old frame stays until the new one is there, so that nothing flickers. */
const swapFrame = (part, fresh) => {
  const next = fresh.querySelector('iframe')
  const frames = [...part.querySelectorAll('iframe')]
  const old = frames.find((frame) => !frame.classList.contains('coming'))
  if (next === null || old === undefined) {
    part.replaceChildren(fresh)
    if (next !== null) document.dispatchEvent(new Event('lyceum-frame'))
    return
  }
  for (const frame of frames) if (frame !== old) frame.remove()
  part.querySelector('.asof')?.replaceWith(fresh.querySelector('.asof') ?? '')
  old.removeAttribute('id')
  next.className = 'coming'
  next.style.cssText = old.style.cssText
  // Once: a listener that stays keeps the old frame, which keeps the one before it.
  next.addEventListener(
    'load',
    () => {
      old.remove()
      next.className = ''
    },
    { once: true },
  )
  old.after(next)
  document.dispatchEvent(new Event('lyceum-frame'))
}

const show = (name, markup) => {
  const part = partOf(name)
  if (part === null || shown.get(name) === markup) return
  shown.set(name, markup)
  const template = document.createElement('template')
  template.innerHTML = markup
  if (name === 'result') {
    swapFrame(part, template.content)
    return
  }
  const focused = part.contains(document.activeElement) ? document.activeElement.id : ''
  const open = [...part.querySelectorAll('details')].map((details) => details.open)
  part.replaceChildren(template.content)
  for (const [at, details] of part.querySelectorAll('details').entries()) details.open ||= open[at] === true
  if (focused) document.getElementById(focused)?.focus()
}

const load = async (names) => {
  const query = new URLSearchParams(location.search)
  query.set('dev-parts', names.join())
  const answer = await fetch(`/dev/parts?${query}`)
  if (!answer.ok) throw new Error((await answer.json()).detail)
  for (const [name, markup] of Object.entries(await answer.json())) show(name, markup)
}

const say = (text) => {
  const line = document.createElement('p')
  line.className = 'light bad'
  line.textContent = text
  shown.delete('status')
  partOf('status').replaceChildren(line)
}

const AGAIN_MS = 1000
const stale = new Set()
let loading = false
/** What is looked at comes first; the rest need not be there before it. What could not be had is asked for again. */
const refresh = async (names) => {
  for (const name of names) stale.add(name)
  if (loading) return
  loading = true
  let asked = []
  try {
    while (stale.size > 0) {
      asked = stale.has('result') ? ['result'] : [...stale]
      for (const name of asked) stale.delete(name)
      await load(asked)
    }
  } catch (error) {
    say(error.message)
    setTimeout(() => void refresh(asked), AGAIN_MS)
  } finally {
    loading = false
  }
}

const CHOSEN = ['result', 'endpoints', 'people', 'about']
const go = (address) => {
  history.pushState(null, '', address)
  void refresh(CHOSEN)
}
addEventListener('popstate', () => void refresh(CHOSEN))

document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[data-choice]')
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
  event.preventDefault()
  go(link.href)
})
document.addEventListener(
  'change',
  (event) => event.target.form?.matches('[data-choice]') && event.target.form.requestSubmit(),
)
document.addEventListener('submit', async (event) => {
  const form = event.target
  const fields = new URLSearchParams(new FormData(form))
  event.preventDefault()
  if (form.matches('[data-choice]')) {
    go(`/dev?${fields}`)
    return
  }
  const button = form.querySelector('button')
  button.disabled = true
  try {
    const answer = await fetch(form.action, {
      method: 'POST',
      body: fields,
      headers: { accept: 'application/json' },
    })
    if (!answer.ok) say((await answer.json()).detail)
  } catch {
    say('lyceum dev does not answer. Is it still running in the terminal?')
  } finally {
    button.disabled = false
  }
})

const changes = new EventSource(`/dev/changes?since=${document.querySelector('.dev').dataset.mark}`)
changes.onmessage = ({ data }) => void refresh(JSON.parse(data))
changes.onerror = () => say('lyceum dev does not answer. The page comes back when it does.')
