// SPDX-License-Identifier: Apache-2.0
//
// What a host answers while somebody looks, made ready to be shown: its processes as a tree that is searched, how they are scheduled
// as rows that are sorted, and how long they waited.

import type { LiveProcess, ProcessNode, ProcessUse, ProcessUses, ScheduleRule } from '../api/types.ts';

/** As nodes of a tree: all of them run. */
export function asNodes(list: LiveProcess[]): ProcessNode[] {
  return list.map((p) => ({
    uid: p.uid,
    parent: p.parent,
    role: 'running',
    pid: p.pid,
    name: p.name ?? p.program,
    program: p.program,
    cmd_line: p.kernel_thread ? null : p.cmd_line,
    user: p.user,
    started: p.started,
    ended: null,
    exit_code: null,
    state: 'running',
    denials: 0,
  }));
}

const has = (words: string[], texts: (string | number | null | undefined)[]) => {
  const all = texts
    .filter((x) => x !== null && x !== undefined)
    .join('\n')
    .toLowerCase();
  return words.every((w) => all.includes(w));
};

const wordsOf = (text: string) => text.toLowerCase().split(/\s+/).filter(Boolean);

/** Those that have all words, and which of them do: with what is above them, so that a tree can be made of it. */
export function findProcesses(list: LiveProcess[], text: string): { shown: LiveProcess[]; found: Set<string> } {
  const words = wordsOf(text);
  if (!words.length) return { shown: list, found: new Set() };
  const by = new Map(list.map((p) => [p.uid, p] as const));
  const found = new Set(list.filter((p) => has(words, [p.name, p.program, p.cmd_line, p.user, p.login_user, p.pid, p.container, p.package])).map((p) => p.uid));
  const kept = new Set<string>();
  for (const uid of found)
    for (let at = by.get(uid); at && !kept.has(at.uid); at = at.parent === null ? undefined : by.get(at.parent)) kept.add(at.uid);
  return { shown: list.filter((p) => kept.has(p.uid)), found };
}

// Scheduling ---------------------------------------------------------------------------------------

export const COLUMNS = ['cpu', 'switches', 'wait', 'mean', 'p95', 'max', 'sleep', 'io', 'lock'] as const;
export type SchedColumn = (typeof COLUMNS)[number];

export function columnOf(text: string | null): SchedColumn {
  return (COLUMNS as readonly string[]).includes(text ?? '') ? (text as SchedColumn) : 'cpu';
}

/** What the host sorts by, so that those are among its first rows that the page sorts to the top. */
export const askedSort: Record<SchedColumn, 'cpu' | 'switches' | 'wait' | 'delay'> = {
  cpu: 'cpu',
  switches: 'switches',
  wait: 'wait',
  mean: 'delay',
  p95: 'delay',
  max: 'delay',
  sleep: 'cpu',
  io: 'cpu',
  lock: 'cpu',
};

/** null: it is not known. Percent of one processor, or of the time; delays in nanoseconds. */
export function valueOf(u: ProcessUse, column: SchedColumn): number | null {
  if (column === 'cpu') return u.cpu_permille / 10;
  const s = u.sched;
  if (!s) return null;
  switch (column) {
    case 'switches':
      return s.switches;
    case 'wait':
      return s.wait_permille / 10;
    case 'mean':
      return s.delay.mean_ns;
    case 'p95':
      return s.delay.p95_ns;
    case 'max':
      return s.delay.max_ns;
    default:
      return (s.off_permille[column] ?? 0) / 10;
  }
}

export function findUses(rows: ProcessUse[], text: string): ProcessUse[] {
  const words = wordsOf(text);
  return words.length ? rows.filter((u) => has(words, [u.name, u.program, u.cmd_line, u.user, u.pid, u.container, u.cgroup])) : rows;
}

/** The greatest first, or the smallest; equal ones by their number, so that rows do not jump. */
export function sortUses(rows: ProcessUse[], column: SchedColumn, up = false): ProcessUse[] {
  const of = (u: ProcessUse) => valueOf(u, column) ?? -1;
  return [...rows].sort((a, b) => (up ? of(a) - of(b) : of(b) - of(a)) || (a.pid ?? 0) - (b.pid ?? 0));
}

/** 950 ns, 12 µs, 3.4 ms, 1.2 s. */
export function span(ns: number | null): string {
  if (ns === null || !Number.isFinite(ns)) return '–';
  for (const [size, unit] of [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'µs'],
  ] as const)
    if (ns >= size) return `${(ns / size).toFixed(ns / size < 10 ? 1 : 0).replace(/\.0$/, '')} ${unit}`;
  return `${Math.round(ns)} ns`;
}

export interface Slot {
  /** Waits were shorter; of the last slot there is no bound. */
  below: number;
  count: number;
}

/** From the first slot that has something to the last one, with those between. */
export function slotsOf(u: Pick<ProcessUses, 'slot_ns' | 'delays'>): Slot[] {
  const first = u.delays.findIndex((n) => n > 0);
  if (first < 0) return [];
  const last = u.delays.findLastIndex((n) => n > 0);
  return u.delays.slice(first, last + 1).map((count, i) => ({ below: u.slot_ns * 2 ** (first + i), count }));
}

/** What a rule sets, as it is written in a policy. */
export function ruleValues(r: ScheduleRule): string {
  const list: [string, string | number | null][] = [
    ['weight', r.weight],
    ['quota', r.quota_permille === null ? null : `${r.quota_permille / 10}%`],
    ['cpus', r.cpus],
    ['io_weight', r.io_weight],
    ['nice', r.nice],
    ['class', r.class],
    ['priority', r.priority],
    ['io_class', r.io_class],
  ];
  return list.flatMap(([k, v]) => (v === null ? [] : [`${k}: ${v}`])).join(', ');
}

/** The files of control groups by which, and what of the threads themselves. */
export function ruleMeans(r: ScheduleRule): { files: string[]; threads: string[] } {
  const some = (list: [string, unknown][]) => list.flatMap(([name, v]) => (v === null ? [] : [name]));
  return {
    files: some([
      ['cpu.weight', r.weight],
      ['cpu.max', r.quota_permille],
      ['cpuset.cpus', r.cpus],
      ['io.weight', r.io_weight],
    ]),
    threads: some([
      ['nice', r.nice],
      ['class', r.class],
      ['io_class', r.io_class],
    ]),
  };
}
