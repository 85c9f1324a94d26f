import { Random } from './random.ts'

/** What a learner sits at; `phone` reports videos through the mobile app. */
export interface Device {
  kind: 'desktop' | 'phone'
  agent: string
}

/** A person with stable traits, from which all behaviour follows. */
export interface Learner {
  username: string
  userId: number
  random: Random
  /** Standard normal; on the scale of the problems' difficulty. */
  ability: number
  /** From 0 to 1; falls and rises with success. */
  engagement: number
  /** From 0, spread over the week, to 1, all on the last evening. */
  procrastination: number
  playbackSpeed: number
  utcOffsetHours: number
  language: string
  ip: string
  devices: Device[]
  /** How far the phone's clock is off; 0 for nearly everyone. */
  phoneSkewMs: number
  mode: 'audit' | 'verified'
  enrolMs: number
  /** The problem or video to do next, counted over the whole course. */
  itemsDone: number
}

const DAY_MS = 86_400_000

const NAMES = [
  ...['amara', 'bjorn', 'chen', 'dalia', 'emre', 'farah', 'gita', 'hugo', 'ines', 'jonas', 'kaya', 'leila'],
  ...['mateo', 'nadia', 'omar', 'priya', 'quinn', 'rosa', 'sven', 'tomas', 'uma', 'vera', 'wanjiru', 'yuki'],
]

const DESKTOPS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.2 Safari/605.1.15',
  'Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0',
]

const PHONES = [
  'Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148',
]

const PLACES = [
  { language: 'en-US,en;q=0.8', utcOffsetHours: -5 },
  { language: 'en-GB,en;q=0.9', utcOffsetHours: 0 },
  { language: 'de-DE,de;q=0.9,en;q=0.6', utcOffsetHours: 1 },
  { language: 'pt-BR,pt;q=0.9,en;q=0.5', utcOffsetHours: -3 },
  { language: 'en-IN,hi;q=0.7', utcOffsetHours: 5.5 },
]

/** Names and ids do not depend on the seed: learner 7 is the same person in every run. */
export function identity(index: number): { username: string; userId: number } {
  return { username: `${NAMES[index % NAMES.length]}_${index + 1}`, userId: 10_001 + index }
}

/** The learner with this index; each has a random sequence of their own, so that one never shifts another. */
export function createLearner(index: number, seed: string, courseStartMs: number): Learner {
  const random = new Random(`learner ${index} of ${seed}`)
  const place = PLACES[random.weighted([5, 3, 3, 2, 3])] ?? PLACES[0]
  const devices: Device[] = [{ kind: 'desktop', agent: random.pick(DESKTOPS) }]
  if (random.chance(0.45)) devices.push({ kind: 'phone', agent: random.pick(PHONES) })
  return {
    ...identity(index),
    random,
    ability: random.normal(),
    engagement: Math.sqrt(random.float()),
    procrastination: random.float(),
    playbackSpeed: random.pick([1, 1, 1, 1.25, 1.5]),
    utcOffsetHours: place?.utcOffsetHours ?? 0,
    language: place?.language ?? '',
    ip: `${random.pick(['192.0.2', '198.51.100', '203.0.113'])}.${1 + random.below(254)}`,
    devices,
    phoneSkewMs: random.chance(0.06) ? Math.round(random.normal() * DAY_MS) : 0,
    mode: 'audit',
    // Most enrol before the course starts, a few in its first days.
    enrolMs: Math.round(courseStartMs + DAY_MS * (3 - random.pause(8))),
    itemsDone: 0,
  }
}
