// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { labelsOf, labelsText } from '../../ui/src/lib/labels.ts';
import { diff, hunks } from '../../ui/src/lib/diff.ts';

function sides(before: string, after: string): [string, string] {
  const all = diff(before, after);
  const side = (drop: string) => all.filter((l) => l.kind !== drop).map((l) => `${l.text}\n`).join('');
  return [side('added'), side('removed')];
}

test('both sides can be put together again', () => {
  const text = readFileSync('policies/20-credentials.yaml', 'utf8');
  const changed = text.replace('mode: monitor', 'mode: enforce').replace(/^.*sudo.*\n/m, '') + 'x: 1\n';
  assert.deepEqual(sides(text, changed), [text, changed]);
  for (const [a, b] of [['', ''], ['', 'a\n'], ['a\n', ''], ['a\nb\nc\n', 'c\nb\na\n'], ['x\nx\nx\n', 'x\n']] as const)
    assert.deepEqual(sides(a, b), [a, b]);
});

test('one changed line is one line out and one in', () => {
  const kinds = diff('a\nb\nc\n', 'a\nB\nc\n').map((l) => l.kind);
  assert.deepEqual(kinds, ['same', 'removed', 'added', 'same']);
});

test('lines keep their numbers', () => {
  assert.deepEqual(diff('a\nb\n', 'x\na\nb\n').map((l) => [l.old, l.new]), [[0, 1], [1, 2], [2, 3]]);
});

test('what is far from a change is left out', () => {
  const many = Array.from({ length: 100 }, (_, i) => `line ${i}`);
  const before = many.join('\n');
  many[50] = 'changed';
  const shown = hunks(diff(before, many.join('\n')), 3);
  assert.equal(shown.length, 1 + 3 + 2 + 3 + 1);
  assert.equal(shown[0], null);
  assert.equal(shown[shown.length - 1], null);
  assert.deepEqual(hunks(diff('a\n', 'a\n')), [null]);
});

test('two large texts with nothing in common end soon', () => {
  const big = (word: string) => Array.from({ length: 5000 }, (_, i) => `${word} ${i}`).join('\n');
  const start = performance.now();
  assert.equal(diff(big('a'), big('b')).length, 10_000);
  assert.ok(performance.now() - start < 2000);
});

test('labels', () => {
  assert.deepEqual(labelsOf('env=prod\n\n role=web \nempty='), { labels: { env: 'prod', role: 'web', empty: '' }, bad: 0 });
  assert.equal(labelsOf('env=prod\nwhat is this').bad, 2);
  assert.equal(labelsOf('=x').bad, 1);
  assert.deepEqual(labelsOf(labelsText({ a: '1', b: '2' })).labels, { a: '1', b: '2' });
});
