import { browser, type Happening, request, type Visit, wait } from './envelope.ts'
import type { Week } from './syllabus.ts'

/** Opens the week's sequence: the request, then the unit that the learner stopped at. */
export function* openSequence(visit: Visit, week: Week, unit: number): Generator<Happening> {
  visit.path = week.path
  yield request(visit, week.path)
  wait(visit, visit.learner.random.pause(4))
  if (unit > 1) {
    yield browser(
      visit,
      'seq_goto',
      { id: week.sequenceKey, old: 1, new: unit, current_tab: 1, target_tab: unit, ...tabs(week, 'top') },
      'edx.ui.lms.sequence.tab_selected',
    )
  }
}

/** Turns to the next unit, in the older or the newer way of saying so. */
export function* nextUnit(visit: Visit, week: Week, unit: number): Generator<Happening> {
  const { random } = visit.learner
  wait(visit, random.pause(6))
  const name = 'edx.ui.lms.sequence.next_selected'
  if (random.chance(0.5)) {
    const event = {
      id: week.sequenceKey,
      old: unit - 1,
      new: unit,
      current_tab: unit - 1,
      ...tabs(week, 'bottom'),
    }
    yield browser(visit, 'seq_next', event, name)
  } else {
    yield browser(visit, name, { id: week.sequenceKey, current_tab: unit - 1, ...tabs(week, 'bottom') }, name)
  }
}

/** Leafs through the week's chapter of the textbook. */
export function* readBook(visit: Visit, week: Week): Generator<Happening> {
  const { random } = visit.learner
  const chapter = `/static/chapter-${String(week.number).padStart(2, '0')}.pdf`
  let page = 1 + random.below(12)
  yield browser(visit, 'book', { type: 'gotopage', chapter, old: 1, new: page }, 'textbook.pdf.page.loaded')
  for (let left = random.below(5); left > 0; left--) {
    wait(visit, random.pause(70))
    page += 1
    const event = { type: 'nextpage', chapter, old: page - 1, new: page }
    yield browser(visit, 'book', event, 'textbook.pdf.page.loaded')
  }
}

/** Leaves; few wait for the page to say so. */
export function* closePage(visit: Visit): Generator<Happening> {
  wait(visit, visit.learner.random.pause(8))
  if (visit.learner.random.chance(0.7)) yield browser(visit, 'page_close', {}, 'page_close')
}

function tabs(week: Week, widget_placement: 'top' | 'bottom'): object {
  return { tab_count: week.videos.length + week.problems.length, widget_placement }
}
