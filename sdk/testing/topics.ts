interface Topic {
  title: string
  videos: readonly string[]
  problems: readonly { title: string; question: string; kind: 'choice' | 'number' | 'text' }[]
}

/** What the weeks of the sample course are about; longer courses start over. */
export const TOPICS: readonly [Topic, ...Topic[]] = [
  {
    title: 'What data can tell',
    videos: ['Where numbers come from', 'Samples and populations'],
    problems: [
      { title: 'Kinds of variables', question: 'Which of these variables is ordinal?', kind: 'choice' },
      { title: 'A biased sample', question: 'How would you ask, so that everyone is heard?', kind: 'text' },
    ],
  },
  {
    title: 'The middle and the spread',
    videos: ['Mean, median and a millionaire', 'Why we square: the variance', 'Reading a box plot'],
    problems: [
      { title: 'A median by hand', question: 'What is the median of 3, 9, 4, 41 and 5?', kind: 'number' },
      { title: 'Standard deviation', question: 'What does doubling every value do to it?', kind: 'choice' },
    ],
  },
  {
    title: 'Chance',
    videos: ['What a probability is', 'Conditional probability and the two doors'],
    problems: [
      { title: 'Two dice', question: 'How likely is a sum of seven, in percent?', kind: 'number' },
      {
        title: 'A test for a rare illness',
        question: 'How likely is illness after a positive test?',
        kind: 'choice',
      },
      { title: 'In your own words', question: 'Why do base rates surprise people?', kind: 'text' },
    ],
  },
  {
    title: 'Distributions',
    videos: ['The bell curve and where it ends', 'The central limit theorem', 'When the tail is heavy'],
    problems: [
      { title: 'Within two deviations', question: 'Which share of a bell curve is that?', kind: 'number' },
      { title: 'Which distribution?', question: 'Which one counts the calls in an hour?', kind: 'choice' },
    ],
  },
  {
    title: 'From sample to claim',
    videos: ['Confidence intervals', 'What a p-value is not'],
    problems: [
      { title: 'Width of an interval', question: 'What halves it?', kind: 'choice' },
      { title: 'A p-value in the news', question: 'What is wrong with this headline?', kind: 'text' },
      { title: 'Sample size', question: 'How many answers give a margin of three percent?', kind: 'number' },
    ],
  },
  {
    title: 'Lines through clouds',
    videos: ['Correlation and the storks', 'Least squares', 'Residuals tell the rest'],
    problems: [
      { title: 'Slope', question: 'By how much does y grow with each x?', kind: 'number' },
      { title: 'Cause or coincidence', question: 'Which finding supports a cause?', kind: 'choice' },
    ],
  },
]
