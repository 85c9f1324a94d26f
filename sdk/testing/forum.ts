import { type Happening, request, SITE, server, type Visit, wait } from './envelope.ts'
import type { Week } from './syllabus.ts'

interface Thread {
  id: string
  title: string
  week: Week
  atMs: number
  responses: { id: string; atMs: number }[]
}

const RECENT = 40
const QUESTIONS = [
  'I am stuck at',
  'Could someone explain',
  'A picture that helped me with',
  'Is there a mistake in',
]
const REPLIES = [
  'Watch the second half again, it is said there.',
  'I had the same question. Drawing it helped me.',
  'Thank you, that makes it clear!',
  'Have you tried it with smaller numbers first?',
]

/** What the learners of a course have written lately; each run of the generator has its own. */
export class Forum {
  readonly #threads: Thread[] = [];

  /** Reads the forum, and asks or answers. */
  *visit(visit: Visit, week: Week): Generator<Happening> {
    const { random } = visit.learner
    const { courseId } = visit.syllabus
    yield request(visit, `/courses/${courseId}/discussion/forum`)
    wait(visit, random.pause(140))
    // A learner's next event is made before others' earlier ones are written: take only what is there by now.
    const threads = this.#threads.filter((thread) => thread.atMs < visit.nowMs)
    if (threads.length === 0 || random.chance(0.35)) {
      yield this.#ask(visit, week)
      return
    }
    if (random.chance(0.3)) return
    const thread = random.pick(threads)
    yield this.#answer(visit, thread)
  }

  #ask(visit: Visit, week: Week): Happening {
    const { random } = visit.learner
    const subject = random.pick([...week.videos, ...week.problems]).title
    const title = `${random.pick(QUESTIONS)} “${subject}”`
    const thread: Thread = { id: random.hex(24), title, week, atMs: visit.nowMs, responses: [] }
    this.#threads.push(thread)
    if (this.#threads.length > RECENT) this.#threads.shift()
    return this.#post(visit, thread, 'edx.forum.thread.created', thread.id, 'threads/create', {
      title,
      title_truncated: false,
      thread_type: random.chance(0.7) ? 'question' : 'discussion',
      body: `${title}? I have read the chapter twice.`,
      options: { followed: true },
      group_id: null,
    })
  }

  #answer(visit: Visit, thread: Thread): Happening {
    const { random } = visit.learner
    const id = random.hex(24)
    const body = random.pick(REPLIES)
    const discussion = { id: thread.id }
    const responses = thread.responses.filter((response) => response.atMs < visit.nowMs)
    if (responses.length > 0 && random.chance(0.4)) {
      const response = { id: random.pick(responses).id }
      const facts = { body, discussion, response }
      return this.#post(
        visit,
        thread,
        'edx.forum.comment.created',
        id,
        `comments/${response.id}/reply`,
        facts,
      )
    }
    thread.responses.push({ id, atMs: visit.nowMs })
    const facts = { body, discussion }
    return this.#post(visit, thread, 'edx.forum.response.created', id, `threads/${thread.id}/reply`, facts)
  }

  #post(visit: Visit, thread: Thread, type: string, id: string, action: string, facts: object): Happening {
    const { week } = thread
    const forum = `/courses/${visit.syllabus.courseId}/discussion`
    const common = {
      commentable_id: week.forumTopic,
      category_id: week.forumTopic,
      category_name: `Week ${week.number} / ${week.title}`,
      url: `https://${SITE}${forum}/forum/${week.forumTopic}/threads/${thread.id}`,
      truncated: false,
      user_course_roles: [],
      user_forums_roles: ['Student'],
    }
    return server(visit, type, { id, ...facts, ...common }, { path: `${forum}/${action}` })
  }
}
