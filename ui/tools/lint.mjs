#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// What the type checker does not see: ways by which text could become markup or script, styles that the content
// security policy refuses, and requests to elsewhere. Ends with the number of findings as its status.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const rules = [
  [/\b(inner|outer)HTML\b|dangerouslySetInnerHTML|insertAdjacentHTML|document\.write|srcdoc|createContextualFragment/, 'text becomes markup'],
  [/\beval\(|new Function\(|setTimeout\(\s*['"`]|javascript:/, 'text becomes script'],
  [/style="|\bstyle='|setAttribute\('style'|cssText/, 'a style as text: the content security policy refuses it'],
  [/https?:\/\/(?!www\.w3\.org\/|[\w.-]*example\.org\b)/, 'an address elsewhere: everything comes from our server'],
  [/:\s*any\b|\bas any\b|@ts-(ignore|nocheck)|<any>/, 'a hole in the types'],
  [/\bconsole\.\w+\(/, 'a message that nobody reads'],
  [/\balert\(/, 'a box that stops the page'],
  [/\.sort\(\)\s*[;)]?\s*\/\/ ?numbers/, 'numbers sorted as text'],
  [/target="_blank"(?![^>]*noopener)/, 'a window that can reach back'],
];

function* sources(dir) {
  for (const name of readdirSync(dir)) {
    const path = `${dir}/${name}`;
    if (statSync(path).isDirectory()) yield* sources(path);
    else if (/\.(tsx?|html|css)$/.test(name)) yield path;
  }
}

export function findings(text) {
  const found = [];
  text.split('\n').forEach((line, i) => {
    const code = line.replace(/^\s*(\/\/|\*|\/\*).*$/, '');
    for (const [rule, why] of rules) if (rule.test(code)) found.push([i + 1, why]);
  });
  return found;
}

// A lint that cannot fail is none.
const bad = ['x.innerHTML = y', 'eval(x)', '<a style="color:red">', "fetch('https://example.com')", 'let x: any', 'console.log(1)'];
let n = 0;
for (const line of bad)
  if (!findings(line).length) {
    console.log(`ui/tools/lint.mjs:1: does not find: ${line}`);
    n++;
  }

for (const path of [...sources(`${root}src`), ...sources(`${root}static`)]) {
  for (const [line, why] of findings(readFileSync(path, 'utf8'))) {
    console.log(`ui/${path.slice(root.length)}:${line}: ${why}`);
    n++;
  }
}
process.exit(n ? 1 : 0);
