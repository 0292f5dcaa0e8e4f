// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { span, tokenise, type Kind } from '../../ui/src/lib/yaml.ts';

function kindOf(line: string, text: string): Kind | undefined {
  return tokenise(line).find((token) => token.text === text)?.kind;
}

const files = [
  ...readdirSync('policies').map((n) => `policies/${n}`),
  ...readdirSync('tests/golden/policy').map((n) => `tests/golden/policy/${n}`),
];

test('every character of every policy is in exactly one token', () => {
  assert.ok(files.length > 10);
  for (const file of files)
    for (const line of readFileSync(file, 'utf8').split('\n'))
      assert.equal(tokenise(line).map((token) => token.text).join(''), line, file);
});

test('hostile lines end, and lose nothing', () => {
  for (const line of ['"'.repeat(5000), "'", '\\"', '{'.repeat(3000), '\u0000\u202e: x', '- - - -', ':::', '#', 'a#b', '😀: 中', '\t\t'])
    assert.equal(tokenise(line).map((token) => token.text).join(''), line);
});

test('a long line takes no time', () => {
  const start = performance.now();
  tokenise('a '.repeat(20_000) + '"'.repeat(20_000));
  assert.ok(performance.now() - start < 1000);
});

test('a rule', () => {
  const line = '  - {path: /etc/shadow, access: [read, write], not_by: backup, do: deny}';
  assert.equal(kindOf(line, 'path'), 'key');
  assert.equal(kindOf(line, '/etc/shadow'), 'path');
  assert.equal(kindOf(line, 'read'), 'word');
  assert.equal(kindOf(line, 'backup'), 'text');
  assert.equal(kindOf(line, 'deny'), 'deny');
});

test('comments, strings, numbers', () => {
  assert.equal(kindOf('safeguard: 1', '1'), 'number');
  assert.equal(kindOf('# deny', '# deny'), 'comment');
  assert.equal(kindOf('name: x # why', '# why'), 'comment');
  assert.equal(kindOf('name: x#y', 'x#y'), 'text');
  assert.equal(kindOf('exe: "/usr/bin/*"', '"/usr/bin/*"'), 'path');
  assert.equal(kindOf("x: 'a # b'", "'a # b'"), 'string');
  assert.equal(kindOf('"path": x', '"path"'), 'key');
  assert.equal(kindOf('mine: x', 'mine'), 'text');
  assert.equal(kindOf('do: allow', 'allow'), 'allow');
});

test('columns count characters, not bytes and not halves of them', () => {
  assert.deepEqual(span('abc', 2, 1), { from: 1, to: 2 });
  assert.deepEqual(span('中文: x', 5, 1), { from: 4, to: 5 });
  assert.deepEqual(span('😀: x', 4, 1), { from: 4, to: 5 });
  assert.deepEqual(span('abc', 0, 0), { from: 0, to: 3 });
  assert.deepEqual(span('abc', 4, 1), { from: 3, to: 4 });
  assert.deepEqual(span('abc', 1, 0), { from: 0, to: 1 });
});

test('the mistakes of the golden file are found where they stand', () => {
  const all = JSON.parse(readFileSync('tests/golden/cli/check-bad.json', 'utf8')) as {
    found: { diagnostics: { source: string; column: number; width: number; message: string }[] };
  };
  for (const d of all.found.diagnostics) {
    const { from, to } = span(d.source, d.column, d.width);
    const word = /'([^']+)'/.exec(d.message)?.[1];
    if (word) assert.equal(d.source.slice(from, to), word);
  }
});
