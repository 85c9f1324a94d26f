#!/usr/bin/env node
// Plain JavaScript, so that an old Node gets as far as telling what to do instead of failing on a type.
const major = Number(process.versions.node.split('.')[0])
if (major < 26) {
  console.error(
    `Lyceum runs on the Node that npm installs with it (26), and this is Node ${process.versions.node}.\n` +
      'Start it as "npx lyceum …" in the folder where it is installed: npx finds the right one.',
  )
  process.exit(1)
}
// Half of the time of a start goes into compiling what has not changed since the last one. The folder belongs to
// whoever installed Lyceum; where it cannot be written, everything is compiled as if this were the first start.
const { enableCompileCache } = await import('node:module')
const { PACKAGES } = await import('../process/packages.js')
enableCompileCache?.(`${PACKAGES}/.cache/lyceum`)
// In the package that a host serves it is compiled.
const { main } = await import(import.meta.dirname.startsWith(PACKAGES) ? './main.js' : './main.ts')
process.exitCode = await main(process.argv)
