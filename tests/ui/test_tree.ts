// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { OcsfRecord } from '../../ui/src/api/ocsf.ts';
import { processTree } from '../../ui/src/lib/tree.ts';

const golden = (name: string) => JSON.parse(readFileSync(`tests/golden/ocsf/${name}.json`, 'utf8')) as OcsfRecord;

test('a denial: from the first ancestor to what did it', () => {
  const nodes = processTree(golden('open-denied'));
  assert.deepEqual(nodes.map((n) => n.name), ['systemd', 'sshd', 'bash', 'cat']);
  assert.deepEqual(nodes.map((n) => n.role), ['ancestor', 'ancestor', 'ancestor', 'actor']);
  assert.equal(nodes[3]?.cmd_line, 'cat /etc/shadow');
  // What the parent says of itself is put to its place in the line.
  assert.equal(nodes[2]?.started, 1700000100000);
});

test('an exec shows the process before and after', () => {
  const nodes = processTree(golden('exec'));
  assert.deepEqual(nodes.slice(-2).map((n) => [n.name, n.role]), [['cat', 'actor'], ['id', 'target']]);
});

test('a fork shows the new process', () => {
  const nodes = processTree(golden('fork'));
  assert.deepEqual(nodes.slice(-2).map((n) => [n.pid, n.role]), [[4242, 'actor'], [4300, 'target']]);
});

test('a process that the agent did not know is one node', () => {
  assert.equal(processTree(golden('open-denied-unknown')).length, 1);
});

test('every golden record gives a tree with different ids', () => {
  for (const file of readdirSync('tests/golden/ocsf').filter((n) => n.endsWith('.json'))) {
    const ids = processTree(golden(file.slice(0, -5))).map((n) => n.id);
    assert.equal(new Set(ids).size, ids.length, file);
  }
});

test('broken records do no harm', () => {
  assert.deepEqual(processTree(null), []);
  for (const bad of [{}, { actor: {} }, { actor: { process: { ancestry: 7 } } }, { actor: { process: {} }, process: {} }])
    assert.ok(Array.isArray(processTree(bad as OcsfRecord)));
});

test('what the server knows comes first, and is not said twice', () => {
  const record = golden('open-denied');
  const first = { pid: 1, name: 'systemd', path: '/usr/lib/systemd/systemd', uid: '11111111-2222-3333-4444-555555555555:1:1', user: 'root' };
  const nodes = processTree(record, [first]);
  assert.deepEqual(nodes.map((n) => n.name), ['systemd', 'sshd', 'bash', 'cat']);
  assert.equal(nodes[0]?.user, 'root');
  assert.equal(processTree(null, [first])[0]?.role, 'actor');
});
