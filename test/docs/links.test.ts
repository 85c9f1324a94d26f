import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const pages = globSync('**/*.md', {
  cwd: ROOT,
  exclude: (name) => ['node_modules', 'templates', 'my-plugins'].includes(name) || name.startsWith('.lyceum'),
})
const textOf = (page: string) => readFileSync(join(ROOT, page), 'utf8')

/** The headings of a page, as a link names them. */
function anchorsOf(page: string): Set<string> {
  const text = textOf(page).replace(/^```.*?^```$/gms, '')
  const names = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
  return new Set([...names, ...[...text.matchAll(/<a id="([^"]+)"/g)].map(([, id = '']) => id)])
}

test('every link between pages leads to a file, and to a heading that is there', () => {
  const broken: string[] = []
  for (const page of pages) {
    const text = textOf(page).replace(/^```.*?^```$/gms, '')
    for (const [, target = '', anchor] of text.matchAll(/\]\(([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
      if (/^(?:[a-z]+:|\/)/.test(target)) continue
      const file = target === '' ? page : relative(ROOT, join(ROOT, dirname(page), target))
      if (!existsSync(join(ROOT, file))) broken.push(`${page}: ${target}`)
      else if (anchor !== undefined && file.endsWith('.md') && !anchorsOf(file).has(anchor))
        broken.push(`${page}: ${target}#${anchor}`)
    }
  }
  expect(pages.length).toBeGreaterThan(30)
  expect(broken).toEqual([])
})

test('the README names every folder that belongs to the project, and no other', () => {
  const tracked = spawnSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8' }).stdout.split('\n')
  const folders = new Set(
    tracked.filter((path) => /^[^./][^/]*\//.test(path)).map((path) => path.replace(/\/.*/s, '')),
  )
  const named = [...textOf('README.md').matchAll(/^\| \[`([a-z]+)\/`\]/gm)].map(([, folder]) => folder)
  expect(named.toSorted()).toEqual([...folders].toSorted())
})
