import { browser, type Happening, request, server, type Visit, wait } from './envelope.ts'
import { logistic, type Random } from './random.ts'
import type { Problem } from './syllabus.ts'

/** Answers a problem, again while there are attempts and patience left, and learns a little from each. */
export function* solve(visit: Visit, problem: Problem): Generator<Happening> {
  const { learner } = visit
  const { random } = learner
  for (let attempt = 1; attempt <= problem.maxAttempts; attempt++) {
    wait(visit, random.pause(attempt === 1 ? 90 : 40))
    const readiness = learner.ability + 0.6 * (attempt - 1) - problem.difficulty
    const solved = random.chance(logistic(problem.discrimination * readiness))
    yield* submit(visit, problem, attempt, solved)
    learner.engagement = clamp(learner.engagement + (solved ? 0.01 : -0.015))
    if (solved) return
    if (random.chance(0.3 * (1 - learner.engagement))) break
  }
  if (random.chance(0.5)) yield* showAnswer(visit, problem)
}

/** What one press of the button leaves behind: in the page, in the request, at the grader, in the page again. */
function* submit(visit: Visit, problem: Problem, attempt: number, solved: boolean): Generator<Happening> {
  const { learner, syllabus } = visit
  const input = `${problem.id}_2_1`
  const answer = answerTo(problem, solved, learner.random)
  const path = handlerPath(visit, problem, 'problem_check')
  const success = solved ? 'correct' : 'incorrect'
  const grade = solved ? 1 : 0
  const form = `input_${input}=${encodeURIComponent(answer)}`

  yield browser(visit, 'problem_check', form, 'problem_check')
  wait(visit, learner.random.between(0.1, 0.4))
  yield request(visit, path, { [`input_${input}`]: [answer] })
  yield server(
    visit,
    'problem_check',
    {
      problem_id: problem.usageKey,
      attempts: attempt,
      grade,
      max_grade: 1,
      success,
      answers: { [input]: answer },
      correct_map: {
        [input]: { correctness: success, hint: '', hintmode: null, msg: '', npoints: null, queuestate: null },
      },
      submission: {
        [input]: {
          question: problem.question,
          answer,
          correct: solved,
          input_type: problem.kind === 'choice' ? 'choicegroup' : 'textline',
          response_type: RESPONSE_TYPES[problem.kind],
          variant: '',
        },
      },
      state: {
        seed: 1,
        done: attempt === 1 ? null : true,
        student_answers: {},
        correct_map: {},
        input_state: { [input]: {} },
      },
    },
    { path, block: problem },
  )
  yield server(
    visit,
    'edx.grades.problem.submitted',
    {
      user_id: String(learner.userId),
      course_id: syllabus.courseId,
      problem_id: problem.usageKey,
      event_transaction_id: learner.random.hex(32),
      event_transaction_type: 'edx.grades.problem.submitted',
      weighted_earned: grade,
      weighted_possible: 1,
    },
    { path },
  )
  wait(visit, learner.random.between(0.2, 0.8))
  yield browser(visit, 'problem_graded', [form, gradedPage(problem, success)], 'problem_graded')
}

function* showAnswer(visit: Visit, problem: Problem): Generator<Happening> {
  wait(visit, visit.learner.random.pause(5))
  yield browser(visit, 'problem_show', { problem: problem.usageKey }, 'problem_show')
  yield server(
    visit,
    'showanswer',
    { problem_id: problem.usageKey },
    { path: handlerPath(visit, problem, 'problem_show'), block: problem },
  )
}

const RESPONSE_TYPES = {
  choice: 'multiplechoiceresponse',
  number: 'numericalresponse',
  text: 'stringresponse',
}

const THOUGHTS = [
  'I would start from how the data were collected, because',
  'The group that answers differs from the group that was asked, and',
  'If the base rate is low, most of the alarms are false, so',
  'One number hides the spread, which is why',
  'Nobody asked what would have happened without it, therefore',
]

/** Longer texts exceed the 512 characters that the LMS keeps of a request. */
function answerTo(problem: Problem, solved: boolean, random: Random): string {
  if (problem.kind === 'choice') return `choice_${solved ? 0 : 1 + random.below(3)}`
  if (problem.kind === 'number') return solved ? '42' : String(43 + random.below(40))
  const sentences = Array.from(
    { length: 1 + random.below(10) },
    () =>
      `${random.pick(THOUGHTS)} ${random.pick(['it depends', 'we cannot tell', 'I am not sure', 'it matters'])}.`,
  )
  return sentences.join(' ')
}

/** The problem as the page shows it once it is graded: most of the length of the longest lines. */
function gradedPage(problem: Problem, success: string): string {
  const choices = [0, 1, 2, 3].map(
    (choice) =>
      `\n      <label for="input_${problem.id}_2_1_choice_${choice}" class="response-label field-label">\n` +
      `        <input type="radio" name="input_${problem.id}_2_1" id="input_${problem.id}_2_1_choice_${choice}"` +
      ` value="choice_${choice}" aria-describedby="status_${problem.id}_2_1"/> Answer ${choice + 1}\n      </label>`,
  )
  const field =
    problem.kind === 'choice'
      ? choices.join('')
      : `\n      <input type="text" name="input_${problem.id}_2_1"/>`
  return `
<h3 class="problem-header" id="${problem.id}-problem-title">${problem.title}</h3>
<div class="problem-progress"></div>
<div class="problem">
  <p>${problem.question}</p>
  <form id="inputtype_${problem.id}_2_1">
    <fieldset aria-describedby="status_${problem.id}_2_1">${field}
    </fieldset>
    <span class="status ${success}" id="status_${problem.id}_2_1" data-tooltip="This answer is ${success}.">${success}</span>
  </form>
  <div class="action">
    <button type="button" class="submit btn-brand" data-value="Submit">Submit</button>
    <button type="button" class="show btn-default btn-small">Show answer</button>
  </div>
</div>
`
}

function handlerPath(visit: Visit, problem: Problem, action: string): string {
  return `/courses/${visit.syllabus.courseId}/xblock/${problem.usageKey}/handler/xmodule_handler/${action}`
}

function clamp(engagement: number): number {
  return Math.min(1, Math.max(0, engagement))
}
