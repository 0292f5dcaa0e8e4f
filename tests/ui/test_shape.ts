// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shapeOf } from '../../ui/src/lib/shape.ts';
import { processTree } from '../../ui/src/lib/tree.ts';

const good = {
  class_uid: 1001,
  start_time: 1,
  message: 'x',
  actor: { user: { name: 'ann' }, process: { pid: 1, name: 'p', file: { path: '/p' }, parent_process: { uid: 'u' }, ancestry: [{ uid: 'a', path: '/a' }] } },
  file: { path: '/f' },
  unmapped: { rule: 'r', rule_line: 3, access: ['read'] },
};

test('what has the right types stays', () => {
  assert.deepEqual(shapeOf(good), good);
});

test('what has not, or is not known, is left out', () => {
  assert.deepEqual(shapeOf({ message: 5, start_time: 1e300, end_time: '1', count: 1.5, class_uid: null, more: 1 }), {});
  assert.deepEqual(shapeOf({ actor: { process: { name: {}, cmd_line: ['x'], file: 'x', user: [], ancestry: [1, null, { uid: 2 }], pid: 1e300 } } }), {
    actor: { process: { ancestry: [{}] } },
  });
  assert.deepEqual(shapeOf({ unmapped: { rule_file: 1, rule_line: 'x', access: ['a', 1, null], hook: {} } }), { unmapped: { access: ['a'] } });
});

test('what is no record is none', () => {
  for (const odd of [null, undefined, 5, 'x', [], true]) assert.equal(shapeOf(odd), null);
});

test('names of our own are not theirs', () => {
  const odd = JSON.parse('{"__proto__":{"message":"theirs"},"constructor":1}') as unknown;
  const r = shapeOf(odd);
  assert.deepEqual(r, {});
  assert.equal(r?.message, undefined);
});

test('whatever is put in a place, a tree comes out', () => {
  const odd = [5, -1, 1e300, true, null, [], {}, [['x']], { a: 1 }, 'x'];
  const replaced = (value: unknown, by: unknown): unknown[] =>
    typeof value !== 'object' || value === null
      ? [by]
      : Object.keys(value).flatMap((k) => replaced((value as Record<string, unknown>)[k], by).map((v) => ({ ...value, [k]: v })));
  for (const by of odd)
    for (const r of replaced(good, by))
      for (const n of processTree(shapeOf(r))) {
        assert.equal(typeof n.name, 'string');
        assert.equal(typeof n.path, 'string');
        assert.equal(typeof n.pid, 'number');
      }
});
