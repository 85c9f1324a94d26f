import type { Fields, Json } from './types-events.ts'

/*
 * What edX's events carry in `event`, as its research guide describes them. A field that every event of a type has is
 * there; one that only some have, or only newer ones, may be missing. All of them are `Fields`: what is not named here
 * is there, too.
 */

/** A payload that a server and a browser send in different forms under one type; `event_source` tells which. */
export interface BySource<Server, Browser> {
  readonly server: Server
  readonly browser: Browser
}

interface Video extends Fields {
  /** The video's id. */
  readonly id: string
  /** YouTube's id of it, `html5` or `mobile`. */
  readonly code?: string
  /** The length of the video, in seconds. */
  readonly duration?: number
}

interface VideoMoment extends Video {
  /** Where in the video, in seconds. */
  readonly currentTime: number
}

interface VideoSeek extends Video {
  /** From where in the video, in seconds. */
  readonly old_time: number
  readonly new_time: number
  /** `onCaptionSeek`, `onSlideSeek` or `onSkipSeek`. */
  readonly type?: string
}

interface VideoSpeed extends Video {
  /** Where in the video, in seconds. */
  readonly current_time: number
  /** As `1.50`. */
  readonly old_speed: string | number
  readonly new_speed: string | number
}

interface VideoCaptions extends Video {
  /** Where in the video, in seconds. */
  readonly current_time?: number
}

/** A short video before the one that was asked for. */
interface VideoBumper extends Fields {
  readonly bumper_id: string
  /** The video that it stands before. */
  readonly host_component_id?: string
  readonly code?: string
  readonly duration?: number
  readonly currentTime?: number
}

/** The answer of one input of a problem. */
interface ProblemAnswer extends Fields {
  readonly question: string
  readonly answer: string | readonly string[]
  readonly input_type?: string
  readonly response_type?: string
  readonly variant?: string | number
  readonly correct?: boolean | ''
}

/** Inputs of a problem by their ids. */
interface ById<Value extends Json> {
  readonly [input: string]: Value | undefined
}

interface Problem extends Fields {
  /** The usage key of the problem. */
  readonly problem_id: string
}

interface ProblemCheck extends Problem {
  readonly success: 'correct' | 'incorrect'
  /** How often the learner has tried, this one included. */
  readonly attempts: number
  /** Points. */
  readonly grade: number
  readonly max_grade: number
  readonly answers?: ById<string | readonly string[] | Fields>
  readonly correct_map?: ById<Fields>
  /** The answers with their questions, by input; missing in events of before 2014. */
  readonly submission?: ById<ProblemAnswer>
  readonly state?: Fields
}

interface ProblemFailure extends Problem {
  readonly failure: string
  readonly state?: Fields
}

interface ProblemRescore extends Problem {
  readonly success: 'correct' | 'incorrect'
  readonly attempts: number
  readonly new_score: number
  readonly new_total: number
  readonly orig_score: number
  readonly orig_total: number
}

/**
 * The fields of a form as the browser sent it. Where edX cut it at 512 characters it is a text instead, of which no
 * field can be read; that has no type of its own, so that any event is an `LmsEvent`.
 */
type SentForm = Fields

interface ProblemShow extends Fields {
  /** The usage key of the problem. */
  readonly problem: string
}

interface ProblemHint extends Fields {
  /** The usage key of the problem. */
  readonly module_id: string
  readonly hint_index: number
  readonly hint_len: number
  readonly hint_text: string
}

interface ProblemFeedback extends Fields {
  /** The usage key of the problem. */
  readonly module_id: string
  readonly problem_part_id: string
  readonly question_type: string
  readonly correctness: boolean
  readonly hint_label?: string
  readonly hints: readonly Fields[]
  readonly student_answer?: readonly string[]
  readonly trigger_type: string
}

interface ProblemGrade extends Problem {
  readonly course_id: string
  readonly user_id: string | number
  readonly weighted_earned: number
  readonly weighted_possible: number
  readonly event_transaction_id?: string
  readonly event_transaction_type?: string
}

interface SubsectionGrade extends Fields {
  readonly block_id: string
  readonly course_id: string
  readonly user_id: string | number
  readonly weighted_graded_earned: number
  readonly weighted_graded_possible: number
  readonly weighted_total_earned: number
  readonly weighted_total_possible: number
  readonly first_attempted?: string | null
}

interface CourseGrade extends Fields {
  readonly course_id: string
  readonly user_id: string | number
  /** From 0 to 1. */
  readonly percent_grade: number
  readonly letter_grade: string
}

interface Enrollment extends Fields {
  readonly course_id: string
  readonly user_id: number | string
  /** `audit`, `honor`, `verified`, … */
  readonly mode: string
}

/** From one unit of a sequence to another, by their numbers. */
interface SequenceMove extends Fields {
  /** The usage key of the sequence. */
  readonly id: string
  readonly old: number
  readonly new: number
}

interface SequenceStep extends Fields {
  /** The usage key of the sequence. */
  readonly id: string
  readonly current_tab: number
  readonly tab_count: number
  /** `top` or `bottom`. */
  readonly widget_placement?: string
}

interface SequenceTab extends SequenceStep {
  readonly target_tab: number
}

interface LinkClick extends Fields {
  readonly current_url: string
  readonly target_url: string
}

interface ForumPost extends Fields {
  readonly id: string
  readonly commentable_id: string
  readonly body: string
  readonly truncated?: boolean
  readonly url?: string
  readonly category_id?: string
  readonly category_name?: string
  readonly team_id?: string
  readonly user_course_roles?: readonly string[]
  readonly user_forums_roles?: readonly string[]
}

interface ForumThread extends ForumPost {
  readonly title: string
  readonly thread_type: string
  readonly anonymous?: boolean
  readonly anonymous_to_peers?: boolean
  readonly group_id?: number | null
}

interface ForumResponse extends ForumPost {
  /** The thread. */
  readonly discussion: { readonly id: string }
}

interface ForumComment extends ForumResponse {
  readonly response: { readonly id: string }
}

interface ForumVote extends Fields {
  readonly id: string
  readonly commentable_id: string
  readonly vote_value: string
  readonly undo_vote: boolean
  readonly target_username?: string
}

interface ForumSearch extends Fields {
  readonly query: string
  readonly page: number
  readonly total_results: number
  readonly corrected_text?: string | null
}

interface Bookmark extends Fields {
  readonly bookmark_id: string
  readonly component_type: string
  readonly component_usage_id: string
  readonly course_id?: string
}

interface BookmarkList extends Fields {
  readonly bookmarks_count: number
  readonly list_type: string
  readonly page_number: number
  readonly page_size: number
  readonly course_id?: string
}

/** A page of a textbook of images. */
interface BookPage extends Fields {
  readonly type: 'gotopage' | 'prevpage' | 'nextpage'
  readonly chapter?: string
  readonly name?: string
  readonly old?: number
  readonly new: number
}

interface PdfPage extends Fields {
  /** The path of the file. */
  readonly chapter: string
  readonly page: number
}

interface PdfSearch extends PdfPage {
  readonly query: string
  readonly status?: string
  readonly caseSensitive?: boolean
  readonly highlightAll?: boolean
}

interface Cohort extends Fields {
  readonly cohort_id: number
  readonly cohort_name: string
}

interface CohortMember extends Cohort {
  readonly user_id: number
}

interface CohortRequest extends CohortMember {
  readonly previous_cohort_id?: number | null
  readonly previous_cohort_name?: string | null
}

interface Certificate extends Fields {
  readonly certificate_id: string
  readonly certificate_url?: string
  readonly course_id: string
  readonly enrollment_mode: string
  readonly user_id?: number | string
}

interface CertificateLink extends Certificate {
  readonly social_network: string
}

interface OraSubmission extends Fields {
  readonly submission_uuid: string
  readonly attempt_number: number
  readonly created_at: string
  readonly submitted_at: string
  readonly answer: Fields
}

interface OraAssessment extends Fields {
  readonly submission_uuid: string
  readonly scorer_id: string
  /** `PE`, `SE` or `ST`: by a peer, the learner, the staff. */
  readonly score_type: string
  readonly scored_at: string
  readonly feedback?: string
  /** What was chosen for each criterion of the rubric. */
  readonly parts: readonly Fields[]
  readonly rubric?: Fields
}

interface OraPeer extends Fields {
  readonly item_id: string
  readonly requesting_student_id: string
  readonly submission_returned_uuid: string | null
}

interface Team extends Fields {
  readonly team_id: string
}

interface TeamMember extends Team {
  readonly user_id: number
}

interface Note extends Fields {
  readonly note_id: string
  readonly component_usage_id: string
  readonly highlighted_content: string
  readonly note_text: string
  readonly truncated?: readonly string[]
}

interface CourseSearch extends Fields {
  readonly search_term: string
  readonly page_number: number
  readonly page_size: number
}

interface CourseSearchResults extends CourseSearch {
  readonly results_count: number
}

interface DraggedItem extends Fields {
  readonly item_id: number
}

interface DroppedItem extends DraggedItem {
  readonly is_correct: boolean
  readonly is_correct_location?: boolean
  readonly location?: string
  readonly location_id?: number | string
}

interface SettingChange extends Fields {
  readonly user_id: number
  readonly setting: string
  readonly old: Json
  readonly new: Json
  readonly table: string
  readonly truncated?: readonly string[]
}

/**
 * What the events of edX carry, by type. A type that is not here has fields that may each be missing.
 *
 * **Common mistake:** counting `problem_check` without `event_source: 'server'`: a browser sends one, too, with the form
 * in place of the grade.
 */
export interface KnownEvents {
  load_video: Video
  play_video: VideoMoment
  pause_video: VideoMoment
  stop_video: VideoMoment
  seek_video: VideoSeek
  speed_change_video: VideoSpeed
  show_transcript: VideoCaptions
  hide_transcript: VideoCaptions
  video_show_cc_menu: VideoCaptions
  video_hide_cc_menu: VideoCaptions
  'edx.video.loaded': Video
  'edx.video.played': VideoMoment
  'edx.video.paused': VideoMoment
  'edx.video.stopped': VideoMoment
  'edx.video.position.changed': VideoSeek
  'edx.video.transcript.shown': VideoCaptions
  'edx.video.transcript.hidden': VideoCaptions
  'edx.video.closed_captions.shown': VideoCaptions
  'edx.video.closed_captions.hidden': VideoCaptions
  'edx.video.language_menu.shown': VideoCaptions
  'edx.video.language_menu.hidden': VideoCaptions
  'edx.video.bumper.loaded': VideoBumper
  'edx.video.bumper.played': VideoBumper
  'edx.video.bumper.stopped': VideoBumper
  'edx.video.bumper.skipped': VideoBumper
  'edx.video.bumper.dismissed': VideoBumper

  problem_check: BySource<ProblemCheck, SentForm>
  problem_check_fail: ProblemFailure
  /** The form, and the problem as the page shows it then. */
  problem_graded: readonly Json[]
  problem_rescore: ProblemRescore
  problem_rescore_fail: ProblemFailure
  problem_reset: SentForm
  problem_save: SentForm
  problem_show: ProblemShow
  reset_problem: Problem
  reset_problem_fail: Problem & { readonly failure: string }
  save_problem_success: Problem
  save_problem_fail: ProblemFailure
  showanswer: Problem
  'edx.problem.hint.demandhint_displayed': ProblemHint
  'edx.problem.hint.feedback_displayed': ProblemFeedback
  'edx.grades.problem.submitted': ProblemGrade
  'edx.grades.subsection.grade_calculated': SubsectionGrade
  'edx.grades.course.grade_calculated': CourseGrade

  'edx.course.enrollment.activated': Enrollment
  'edx.course.enrollment.deactivated': Enrollment
  'edx.course.enrollment.mode_changed': Enrollment

  seq_goto: SequenceMove
  seq_next: SequenceMove
  seq_prev: SequenceMove
  'edx.ui.lms.sequence.next_selected': SequenceStep
  'edx.ui.lms.sequence.previous_selected': SequenceStep
  'edx.ui.lms.sequence.tab_selected': SequenceTab
  'edx.ui.lms.link_clicked': LinkClick
  'edx.ui.lms.outline.selected': LinkClick
  page_close: Fields

  'edx.forum.thread.created': ForumThread
  'edx.forum.response.created': ForumResponse
  'edx.forum.comment.created': ForumComment
  'edx.forum.thread.voted': ForumVote
  'edx.forum.response.voted': ForumVote
  'edx.forum.searched': ForumSearch

  'edx.bookmark.added': Bookmark
  'edx.bookmark.removed': Bookmark
  'edx.bookmark.accessed': Bookmark
  'edx.bookmark.listed': BookmarkList

  book: BookPage
  'textbook.pdf.page.navigated': PdfPage
  'textbook.pdf.page.scrolled': PdfPage
  'textbook.pdf.chapter.navigated': PdfPage
  'textbook.pdf.thumbnail.navigated': PdfPage
  'textbook.pdf.thumbnails.toggled': PdfPage
  'textbook.pdf.outline.toggled': PdfPage
  'textbook.pdf.search.executed': PdfSearch
  'textbook.pdf.search.navigatednext': PdfSearch

  'edx.cohort.created': Cohort
  'edx.cohort.creation_requested': Cohort
  'edx.cohort.user_added': CohortMember
  'edx.cohort.user_removed': CohortMember
  'edx.cohort.user_add_requested': CohortRequest

  'edx.certificate.created': Certificate
  'edx.certificate.shared': CertificateLink
  'edx.certificate.evidence_visited': CertificateLink

  'openassessmentblock.create_submission': OraSubmission
  'openassessmentblock.peer_assess': OraAssessment
  'openassessmentblock.self_assess': OraAssessment
  'openassessmentblock.staff_assess': OraAssessment
  'openassessmentblock.get_peer_submission': OraPeer
  'openassessmentblock.save_submission': Fields & { readonly saved_response: Json }
  'openassessment.upload_file': Fields & { readonly fileName: string }

  'xblock.poll.submitted': Fields & { readonly url_name: string; readonly choice: string }
  'xblock.poll.view_results': Fields
  'xblock.survey.submitted': Fields & { readonly url_name: string; readonly choices: Fields }
  'xblock.survey.view_results': Fields

  'edx.drag_and_drop_v2.loaded': Fields
  'edx.drag_and_drop_v2.item.picked_up': DraggedItem
  'edx.drag_and_drop_v2.item.dropped': DroppedItem
  'edx.drag_and_drop_v2.feedback.opened': Fields & { readonly content: string }
  'edx.drag_and_drop_v2.feedback.closed': Fields & { readonly content: string; readonly manually: boolean }

  'edx.team.created': Team
  'edx.team.deleted': Team
  'edx.team.activity_updated': Team
  'edx.team.learner_added': TeamMember
  'edx.team.learner_removed': TeamMember

  'edx.course.student_notes.added': Note
  'edx.course.student_notes.edited': Note
  'edx.course.student_notes.deleted': Note

  'edx.course.search.initiated': CourseSearch
  'edx.course.search.results_displayed': CourseSearchResults
  'edx.course_discovery.search.initiated': CourseSearch
  'edx.course_discovery.search.results_displayed': CourseSearchResults

  'edx.user.settings.changed': SettingChange
}
