// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveProcess, ProcessUse, ScheduleRule } from '../../ui/src/api/types.ts';
import { asNodes, askedSort, COLUMNS, columnOf, findProcesses, findUses, ruleMeans, ruleValues, slotsOf, sortUses, span, valueOf } from '../../ui/src/lib/answers.ts';
import { branches, openAtFirst } from '../../ui/src/lib/proctree.ts';

const process = (pid: number, parent: number | null, name: string, more: Partial<LiveProcess> = {}): LiveProcess => ({
  uid: `b:${pid}:1`,
  parent: parent === null ? null : `b:${parent}:1`,
  pid,
  name,
  program: `/usr/bin/${name}`,
  cmd_line: `${name} --x`,
  user: 'root',
  started: 1000 + pid,
  login_user: null,
  session: null,
  container: null,
  package: null,
  kernel_thread: false,
  deleted: false,
  foreign: false,
  ...more,
});

const host = [
  process(1, null, 'init'),
  process(2, null, 'kthreadd', { kernel_thread: true, cmd_line: null }),
  process(10, 1, 'sshd'),
  process(11, 10, 'bash', { user: 'ann', login_user: 'ann' }),
  process(12, 11, 'vim', { cmd_line: 'vim /etc/Motd', container: 'f00d' }),
  process(13, 1, 'cron'),
];

test('a process that is found brings what is above it, and nothing else', () => {
  const { shown, found } = findProcesses(host, 'MOTD vim');
  assert.deepEqual([...found], ['b:12:1']);
  assert.deepEqual(shown.map((p) => p.pid), [1, 10, 11, 12]);
  assert.deepEqual(findProcesses(host, 'f00d').shown.map((p) => p.pid), [1, 10, 11, 12]);
  assert.deepEqual(findProcesses(host, '13').shown.map((p) => p.pid), [1, 13]);
  assert.equal(findProcesses(host, '  ').shown.length, host.length);
  assert.equal(findProcesses(host, 'nothing').shown.length, 0);
});

test('parents that are each other’s do not hold the search', () => {
  const round = [process(1, 2, 'a'), process(2, 1, 'b')];
  assert.deepEqual(findProcesses(round, 'a').shown.map((p) => p.pid).sort(), [1, 2]);
});

test('what is found is open, all of it', () => {
  const nodes = asNodes(Array.from({ length: 100 }, (_, i) => process(i + 1, i || null, 'p')));
  const roots = branches(nodes);
  assert.ok(openAtFirst(roots, null).size < 99);
  assert.equal(openAtFirst(roots, null, Infinity).size, 99);
  assert.equal(nodes[0]?.state, 'running');
});

const use = (pid: number, cpu: number, more: Partial<ProcessUse> = {}): ProcessUse => ({
  uid: `b:${pid}:1`,
  pid,
  name: `p${pid}`,
  program: null,
  cmd_line: null,
  user: 'root',
  container: null,
  cgroup: null,
  ended: false,
  cpu_permille: cpu,
  read_bytes: 0,
  written_bytes: 0,
  rss_bytes: null,
  threads: null,
  sched: null,
  ...more,
});
const sched = (wait: number, max: number) => ({
  switches: wait * 2,
  involuntary: 0,
  wait_permille: wait,
  delay: { count: 1, mean_ns: max / 4, p95_ns: max / 2, max_ns: max },
  off_permille: { sleep: 1000 - wait, io: wait / 10 },
});

test('rows are sorted by any column, either way, and equal ones stay where they are', () => {
  const rows = [use(3, 10), use(1, 10), use(2, 955, { sched: sched(40, 8000) }), use(4, 0, { sched: sched(70, 100) })];
  assert.deepEqual(sortUses(rows, 'cpu').map((u) => u.pid), [2, 1, 3, 4]);
  assert.deepEqual(sortUses(rows, 'cpu', true).map((u) => u.pid), [4, 1, 3, 2]);
  assert.deepEqual(sortUses(rows, 'wait').map((u) => u.pid), [4, 2, 1, 3]);
  assert.deepEqual(sortUses(rows, 'max').map((u) => u.pid), [2, 4, 1, 3]);
  assert.equal(valueOf(rows[2] as ProcessUse, 'cpu'), 95.5);
  assert.equal(valueOf(rows[2] as ProcessUse, 'io'), 0.4);
  // The host does not say why it slept.
  assert.equal(valueOf(rows[2] as ProcessUse, 'lock'), 0);
  assert.equal(valueOf(rows[0] as ProcessUse, 'lock'), null);
  assert.deepEqual(findUses(rows, 'P2').map((u) => u.pid), [2]);
  assert.equal(columnOf('lock'), 'lock');
  assert.equal(columnOf('name'), 'cpu');
  assert.equal(columnOf(null), 'cpu');
  for (const c of COLUMNS) assert.ok(['cpu', 'switches', 'wait', 'delay'].includes(askedSort[c]));
});

test('spans of time from nanoseconds on', () => {
  assert.deepEqual([0, 950, 1000, 12_400, 3_400_000, 2e9, 90e9].map((n) => span(n)), ['0 ns', '950 ns', '1 µs', '12 µs', '3.4 ms', '2 s', '90 s']);
  assert.equal(span(null), '–');
});

test('slots from the first that has something to the last one', () => {
  assert.deepEqual(slotsOf({ slot_ns: 1000, delays: [0, 3, 0, 5, 0, 0] }), [
    { below: 2000, count: 3 },
    { below: 4000, count: 0 },
    { below: 8000, count: 5 },
  ]);
  assert.deepEqual(slotsOf({ slot_ns: 1000, delays: [0, 0] }), []);
  assert.deepEqual(slotsOf({ slot_ns: 1000, delays: [] }), []);
});

test('what a rule sets, and by what', () => {
  const none = { weight: null, quota_permille: null, cpus: null, io_weight: null, nice: null, class: null, priority: null, io_class: null };
  const rest = { file: '/p/50-a.yaml', line: 3, named_groups: false, groups: [], own_group: 'safeguard-1', processes: 0, serving_groups: 0 };
  const rule: ScheduleRule = { ...none, ...rest, quota_permille: 2500, nice: 0, class: 'batch' };
  assert.equal(ruleValues(rule), 'quota: 250%, nice: 0, class: batch');
  assert.deepEqual(ruleMeans(rule), { files: ['cpu.max'], threads: ['nice', 'class'] });
  assert.deepEqual(ruleMeans({ ...none, ...rest, io_weight: 50 }), { files: ['io.weight'], threads: [] });
});
