// SPDX-License-Identifier: Apache-2.0
//
// Records come from hosts, and a host may send anything: a number where a text belongs, an object where a time does. Of a
// record, what is shown in its place is what has the type of that place; all of it is in the raw record.

import type { OcsfLaunch, OcsfProcess, OcsfRecord } from '../api/ocsf.ts';

type Fit<T> = (value: unknown) => T | undefined;
type Fits<T> = { readonly [K in keyof T]-?: Fit<NonNullable<T[K]>> };

const text: Fit<string> = (v) => (typeof v === 'string' ? v : undefined);
const number: Fit<number> = (v) => (typeof v === 'number' && Number.isSafeInteger(v) ? v : undefined);
const flag: Fit<boolean> = (v) => (typeof v === 'boolean' ? v : undefined);

/** Milliseconds that a date can have. */
const time: Fit<number> = (v) => (typeof v === 'number' && Math.abs(v) <= 8.64e15 ? v : undefined);

const listOf =
  <T>(fit: Fit<T>): Fit<T[]> =>
  (v) =>
    Array.isArray(v) ? v.flatMap((one: unknown) => fit(one) ?? []) : undefined;

const object =
  <T extends object>(members: () => Fits<T>): Fit<T> =>
  (v) => {
    if (typeof v !== 'object' || v === null || Array.isArray(v)) return undefined;
    const out: Record<string, unknown> = {};
    for (const [key, fit] of Object.entries(members()) as [string, Fit<unknown>][]) {
      const value = Object.prototype.hasOwnProperty.call(v, key) ? fit((v as Record<string, unknown>)[key]) : undefined;
      if (value !== undefined) out[key] = value;
    }
    return out as T;
  };

const named = object(() => ({ name: text, uid: text }));
const place = object(() => ({ path: text, name: text }));

const variable = object(() => ({ name: text, value: text }));

const fileFacts = () => ({
  hashes: listOf(object(() => ({ algorithm_id: number, value: text }))),
  product: object(() => ({ name: text, version: text })),
});

// Processes are in one another, as deep as the server takes records.
const process: Fit<OcsfProcess> = object<OcsfProcess>(() => ({
  pid: number,
  uid: text,
  name: text,
  path: text,
  cmd_line: text,
  created_time: time,
  file: object(() => ({
    path: text,
    name: text,
    is_deleted: flag,
    ...fileFacts(),
  })),
  user: named,
  group: named,
  auid: number,
  container: object(() => ({ uid: text, runtime: text, orchestrator: text, pod_uuid: text })),
  working_directory: text,
  environment_variables: listOf(variable),
  session: object(() => ({ uid: text, issuer: text, is_remote: flag, terminal: text })),
  parent_process: process,
  ancestry: listOf(process),
}));

const unmapped = object(() => ({
  rule: text,
  rule_file: text,
  rule_line: number,
  hook: text,
  access: listOf(text),
  verdict: text,
  mode: text,
  cgroup: text,
}));

const record = object(() => ({
  activity_id: number,
  class_uid: number,
  severity_id: number,
  time,
  start_time: time,
  end_time: time,
  count: number,
  message: text,
  status_code: text,
  device: object(() => ({ hostname: text, uid: text, os: object(() => ({ name: text })) })),
  policy: named,
  actor: object(() => ({
    user: named,
    session: object(() => ({ uid: text, issuer: text, is_remote: flag })),
    process,
  })),
  process,
  file: place,
  file_result: place,
  unmapped,
}));

const numbers: Fit<Record<string, number>> = (v) => {
  if (typeof v !== 'object' || v === null || Array.isArray(v)) return undefined;
  const list = Object.entries(v).flatMap(([key, n]) => (number(n) === undefined ? [] : [[key, n as number] as const]));
  return Object.fromEntries(list.slice(0, 16));
};

const endpoint = object(() => ({ ip: text, port: number }));

const launch = object<OcsfLaunch>(() => ({
  cgroup: text,
  argument_count: number,
  arguments: listOf(text),
  arguments_cut: flag,
  environment_cut: flag,
  launch: listOf(text),
  script: text,
  descriptors: listOf(
    object(() => ({
      fd: number,
      kind: text,
      path: text,
      terminal: text,
      family: text,
      local_endpoint: endpoint,
      remote_endpoint: endpoint,
    })),
  ),
  capabilities: listOf(text),
  capabilities_permitted: listOf(text),
  capabilities_ambient: listOf(text),
  namespaces: numbers,
  hash_missing: text,
  script_file: object(() => ({ ...fileFacts(), hash_missing: text })),
}));

/** The parts of a process's detail; what has another type than it should is left out. */
export function processOf(value: unknown): OcsfProcess {
  return process(value) ?? {};
}

export function launchOf(value: unknown): OcsfLaunch {
  return launch(value) ?? {};
}

/** null: no record at all. */
export function shapeOf(value: unknown): OcsfRecord | null {
  return record(value) ?? null;
}
