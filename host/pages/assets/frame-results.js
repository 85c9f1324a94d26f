// Tables are sorted by their heads; and where there are charts, what makes them answer is asked for: the page around
// has it, since a frame loads nothing.
;(() => {
  const collator = new Intl.Collator(undefined, { numeric: true })
  const orderOf = (row, at) => {
    const cell = row.cells[at]
    return cell?.dataset.order ?? cell?.textContent ?? ''
  }
  /** Numbers by their size, other things as a dictionary has them, and what is empty last. */
  const compare = (a, b, factor) => {
    if (a === b) return 0
    if (a === '' || b === '') return a === '' ? 1 : -1
    const difference = Number(a) - Number(b)
    return factor * (Number.isNaN(difference) ? collator.compare(a, b) : difference)
  }

  const makeSortable = (table) => {
    const [body] = table.tBodies
    const heads = [...(table.tHead?.rows[0]?.cells ?? [])]
    if (!body || body.rows.length < 2) return
    for (const [at, head] of heads.entries()) {
      const button = document.createElement('button')
      button.type = 'button'
      button.append(...head.childNodes)
      head.append(button)
      button.addEventListener('click', () => {
        const factor = head.ariaSort === 'ascending' ? -1 : 1
        for (const other of heads) other.removeAttribute('aria-sort')
        head.ariaSort = factor === 1 ? 'ascending' : 'descending'
        body.append(...[...body.rows].sort((a, b) => compare(orderOf(a, at), orderOf(b, at), factor)))
      })
    }
  }

  let script
  const asking = []
  const ask = (source) => {
    if (script !== undefined) source.postMessage({ lyceumChartScript: script }, '*')
    else if (asking.push(source) === 1) parent.postMessage({ lyceumCharts: true }, '*')
  }
  const answered = new WeakSet()
  /** Of the views of other plugins inside of this one, each is answered once: none takes the answers of all. */
  const isNew = (source) =>
    !answered.has(source) &&
    [...document.querySelectorAll('iframe')].some((inside) => inside.contentWindow === source)
  addEventListener('message', ({ source, data }) => {
    if (source === parent && typeof data?.lyceumChartScript === 'string' && script === undefined) {
      script = data.lyceumChartScript
      for (const other of asking.splice(0)) {
        if (other !== window) ask(other)
        else document.head.append(Object.assign(document.createElement('script'), { textContent: script }))
      }
    } else if (data?.lyceumCharts === true && source && isNew(source)) {
      answered.add(source)
      ask(source)
    }
  })

  addEventListener('DOMContentLoaded', () => {
    for (const table of document.querySelectorAll('.lyceum-table')) makeSortable(table)
    if (document.querySelector('lyceum-chart[data-vega]')) ask(window)
  })
})()
