// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { fill, say, table, type Key } from '../../ui/src/i18n/index.ts';

const src = 'ui/src';
const keys = Object.keys(table) as Key[];

function sources(dir: string): string[] {
  return readdirSync(dir).flatMap((name) => {
    const path = `${dir}/${name}`;
    return statSync(path).isDirectory() ? sources(path) : /\.tsx?$/.test(name) ? [path] : [];
  });
}

const code = sources(src)
  .filter((p) => !p.includes('/i18n/'))
  .map((p) => readFileSync(p, 'utf8'))
  .join('\n');

/** Names of values, without how they are put. */
function values(text: string): string[] {
  return [...text.matchAll(/\{(\w+)/g)].map((m) => m[1] as string).sort();
}

test('no key is in two tables', () => {
  const parts = readdirSync(`${src}/i18n`).filter((n) => n !== 'index.ts');
  const seen = parts.flatMap((n) => [...readFileSync(`${src}/i18n/${n}`, 'utf8').matchAll(/^ {2}'([^']+)':/gm)].map((m) => m[1]));
  assert.equal(new Set(seen).size, seen.length);
  assert.equal(seen.length, keys.length);
});

test('every key has text in both languages', () => {
  for (const key of keys) for (const text of table[key]) assert.ok(text.trim() && text === text.trim(), key);
});

test('Chinese is Chinese', () => {
  const same = new Set(['app.name', 'records.head.count', 'channels.kind.syslog', 'server.cpu', 'lang.switch', 'record.file']);
  for (const key of keys) if (!same.has(key)) assert.match(table[key][1], /\p{Script=Han}/u, key);
});

test('English has no Chinese, but for the name of the language', () => {
  for (const key of keys) if (!key.startsWith('lang.')) assert.doesNotMatch(table[key][0], /\p{Script=Han}/u, key);
});

test('both languages speak of the same values', () => {
  for (const key of keys) {
    const [en, zh] = table[key];
    assert.deepEqual(values(zh), values(en), key);
  }
});

test('every key is used', () => {
  // Keys that are put together: state names and the like.
  const built = [...code.matchAll(/`([\w.]+\.)\$\{/g)].map((m) => m[1] as string);
  const tables = [...code.matchAll(/table="([\w.]+)"/g)].map((m) => `${m[1]}.`);
  const unused = keys.filter(
    (key) => !code.includes(`'${key}'`) && ![...built, ...tables].some((prefix) => key.startsWith(prefix)),
  );
  assert.deepEqual(unused, []);
});

test('no text for people stands in the code', () => {
  assert.doesNotMatch(code.replace(/\/\*[^]*?\*\/|\/\/.*$/gm, ''), /\p{Script=Han}/u);
  const bare = sources(`${src}/pages`).flatMap((p) =>
    readFileSync(p, 'utf8').split('\n').filter((line) => /^\s+[A-Z][a-z]+ [a-z ]+[.!]?$/.test(line)).map((line) => `${p}:${line}`),
  );
  assert.deepEqual(bare, []);
});

test('values are put in, and numbers pick their word', () => {
  assert.equal(fill('{n|host|hosts} of {total}', { n: 1, total: 1234 }), '1 host of 1,234');
  assert.equal(fill('{n|host|hosts}', { n: 2 }), '2 hosts');
  assert.equal(fill('{missing} {x}', { x: '{y}' }), '{missing} {y}');
  assert.equal(say('zh', 'ui.shownOf', { n: 3 }), '显示 3 条');
});
