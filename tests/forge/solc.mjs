#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0 */
// The Solidity compiler of npm behind the two flags of the native one that forge uses: its download is not for machines without a network.

import { readFileSync } from 'node:fs'
import solc from 'solc'

if (process.argv.includes('--version')) {
  console.log('solc, the solidity compiler commandline interface')
  console.log(`Version: ${solc.version()}`)
} else {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')))
}
