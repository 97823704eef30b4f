// The README's program and the examples run as they stand; the package can be packed without a network.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testDocuments } from '../../testing/documents.js'
import { serve } from '../../testing/rig.js'

testDocuments(serve(), 'holdfast', {
  readme: 'ann 2\n',
  examples: {
    'bank-transfer.js': '5 accounts have 500\nrefused: NotEnough\n',
    'job-queue.js': '20 jobs done, 0 left\n',
    'unique-email.js': 'Ann has number 1\nBen: ann@x.org belongs to number 1\n1 of 10 at once got cyd@x.org\nAnn\n',
    'paging.js': '24 23 22 21 20 19 18 17 16 15\n14 13 12 11 10 9 8 7 6 5\n4 3 2 1 0\n'
  }
})

test('documents: the types are what programs in TypeScript need', async t => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (!existsSync(tsc)) return t.skip('typescript is not installed (npm install in client/node)')
  await promisify(execFile)(process.execPath, [tsc, '-p', 'tsconfig.json'], { cwd: root, timeout: 120_000 })
    .catch(e => assert.fail(e.stdout))
})
