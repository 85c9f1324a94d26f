import { afterAll, beforeAll, expect, test } from 'vitest'
import { RunningPlugin } from './support.ts'

let plugin: RunningPlugin

beforeAll(async () => {
  plugin = await RunningPlugin.start('hello')
})
afterAll(() => plugin.stop())

test('greets the world', async () => {
  expect(await plugin.view('hello')).toBe('<h1>Hello world!</h1>')
})

test('greets a person by name, whatever the name holds', async () => {
  expect(await plugin.view('greet', { user: 'Ann <b>' })).toBe('<h1>Hello Ann &lt;b&gt;</h1>')
})
