// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { valueOf, written } from '../../ui/src/lib/setting.ts';

test('values are written in the largest unit that leaves nothing over', () => {
  assert.equal(written('ms', 300_000), '5m');
  assert.equal(written('ms', 90_000), '90s');
  assert.equal(written('ms', 7_776_000_000), '90d');
  assert.equal(written('ms', 1234), '1234');
  assert.equal(written('bytes', 50 * 2 ** 30), '50G');
  assert.equal(written('bytes', 1000), '1000');
  assert.equal(written('count', 60_000), '60000');
  assert.equal(written('text', 'x'), 'x');
  assert.equal(written('bool', false), 'false');
  assert.equal(written('ms', 0), '0');
  assert.equal(written('text', null), '');
});

test('what is sent is what was written', () => {
  assert.equal(valueOf('bool', 'true'), true);
  assert.equal(valueOf('ms', ' 5m '), '5m');
  assert.equal(valueOf('count', '4'), 4);
  assert.equal(valueOf('text', '42'), '42');
  assert.equal(valueOf('bytes', '-1'), '-1');
});
