export { type Course, type CourseOptions, course } from './course.ts'
export type { TrackingContext, TrackingEvent } from './envelope.ts'
export type { Problem, Video } from './syllabus.ts'
export type { Truth } from './truth.ts'
