export { type Course, type CourseOptions, course } from './course.ts'
export type { TrackingContext, TrackingEvent } from './envelope.ts'
export {
  type DeadLetter,
  type Events,
  type Loaded,
  type LoggedLine,
  load,
  type Seen,
  type SendOptions,
  type Sent,
  type Viewer,
} from './load.ts'
export type { Problem, Video } from './syllabus.ts'
export type { Truth } from './truth.ts'
