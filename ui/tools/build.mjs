#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// Builds dist/: one script, one style sheet, the page and the icon, each also packed. Names of what may
// be kept by browsers hold a hash of the content. Fails when the packed size is beyond BUDGET.
//     tools/build.mjs [--dev]     --dev: not minified, with a source map
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const BUDGET = 126 * 1024;

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = `${root}dist/`;
const dev = process.argv.includes('--dev');

const result = await build({
  absWorkingDir: root,
  entryPoints: { app: 'src/main.tsx' },
  outdir: 'dist',
  bundle: true,
  write: false,
  minify: !dev,
  sourcemap: dev ? 'inline' : false,
  format: 'esm',
  target: ['es2022', 'chrome123', 'firefox120', 'safari17.5'],
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
});

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
let page = readFileSync(`${root}static/index.html`, 'utf8');
const files = [{ name: 'icon.svg', content: readFileSync(`${root}static/icon.svg`) }];
for (const file of result.outputFiles) {
  const base = file.path.slice(file.path.lastIndexOf('/') + 1);
  const hash = createHash('sha256').update(file.contents).digest('hex').slice(0, 12);
  const name = base.replace(/\.(\w+)$/, `-${hash}.$1`);
  files.push({ name, content: Buffer.from(file.contents) });
  page = page.replace(`/${base}`, `/${name}`);
}
// What is built in keeps its licence.
const licences = ['preact', 'uplot'].map((name) => {
  const { version } = JSON.parse(readFileSync(`${root}node_modules/${name}/package.json`, 'utf8'));
  return `${name} ${version}\n\n${readFileSync(`${root}node_modules/${name}/LICENSE`, 'utf8')}`;
});
files.push({ name: 'licences.txt', content: Buffer.from(licences.join('\n\n')) });
files.push({ name: 'index.html', content: Buffer.from(page) });

let packed = 0;
let plain = 0;
for (const { name, content } of files) {
  // No time in the header, so that the same sources give the same bytes.
  const gz = gzipSync(content, { level: 9 });
  writeFileSync(dist + name, content);
  writeFileSync(`${dist}${name}.gz`, gz);
  packed += gz.length;
  plain += content.length;
}
const kib = (n) => `${(n / 1024).toFixed(1)} KiB`;
const text = `ui: ${kib(packed)} packed, ${kib(plain)} plain`;
if (!dev && packed > BUDGET) {
  console.error(`${text}: more than the ${kib(BUDGET)} it may have`);
  process.exit(1);
}
if (process.env.VERBOSE || process.argv.includes('--size')) console.log(text);
