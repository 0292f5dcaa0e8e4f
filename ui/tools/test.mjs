#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// Runs tests/ui/test_*.ts by Node's test runner, made into plain scripts by esbuild first, so that any Node from
// 18 on can. Ends with "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const out = mkdtempSync(`${tmpdir()}/safeguard-ui-`);
try {
  await build({
    entryPoints: readdirSync(`${root}tests/ui`)
      .filter((name) => /^test_\w+\.ts$/.test(name))
      .map((name) => `${root}tests/ui/${name}`),
    outdir: out,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node18',
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  const files = readdirSync(out).map((name) => `${out}/${name}`);
  const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', '--test-reporter=tap', ...files], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const number = (name) => Number(new RegExp(`^# ${name} (\\d+)`, 'm').exec(run.stdout)?.[1] ?? 0);
  const passed = number('pass');
  const failed = number('fail') + number('cancelled');
  if (failed || run.status !== 0) {
    // Only what failed, each with its reason.
    const bad = run.stdout.match(/^not ok [^]*?^ {2}\.\.\.$/gm) ?? [run.stdout];
    process.stdout.write(`${bad.join('\n')}\n${run.stderr}`);
  }
  console.log(`${passed} passed, ${Math.max(failed, run.status === 0 ? 0 : 1)} failed`);
  process.exitCode = run.status ?? 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
