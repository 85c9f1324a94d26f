import { figures } from './figures/index.ts'
import { type Measured, measured } from './harness.ts'

/** `npm run bench [-- --json] [-- WORD…]`: all figures, or those with one of the words in their name. */
async function main(args: readonly string[]): Promise<void> {
  const asJson = args.includes('--json')
  const words = args.filter((word) => !word.startsWith('--'))
  const chosen = figures.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
  if (!asJson) console.log(line('figure', 'value', 'goal', ''))
  for (const figure of chosen) {
    const command = figure.missing?.()
    if (command !== undefined) {
      console.error(`${figure.name}: left out; ${command} installs what it needs`)
      continue
    }
    const found = await measured(figure)
    const sign = figure.better === 'higher' ? '≥' : '≤'
    console.log(asJson ? JSON.stringify(found) : row(found, sign))
  }
}

function row({ name, value, unit, goal, holds }: Measured, sign: string): string {
  const shown = unit === 'ratio' ? '' : ` ${unit}`
  return line(name, `${value}${shown}`, `${sign} ${goal}${shown}`, holds ? 'holds' : 'SHORT')
}

function line(name: string, value: string, goal: string, holds: string): string {
  return `${name.padEnd(52)} ${value.padStart(10)}   ${goal.padEnd(10)} ${holds}`.trimEnd()
}

await main(process.argv.slice(2))
