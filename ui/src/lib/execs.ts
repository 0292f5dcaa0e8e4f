// SPDX-License-Identifier: Apache-2.0
//
// What the page of executed programs looks at, in the query of its URL, as the records page has it: a range of time, fields, and words
// of the command line.

import { parseTime } from './time.ts';

export const EXEC_FIELDS = ['program', 'user', 'login_user', 'session', 'container', 'parent', 'process'] as const;
export type ExecField = (typeof EXEC_FIELDS)[number];

export interface ExecFilters {
  from: string;
  to: string;
  q: string;
  denied: boolean;
  only: Partial<Record<ExecField, string>>;
}

const DEFAULT_FROM = '-24h';

export function noExecFilters(): ExecFilters {
  return { from: DEFAULT_FROM, to: '', q: '', denied: false, only: {} };
}

function isExecField(s: string): s is ExecField {
  return (EXEC_FIELDS as readonly string[]).includes(s);
}

export function execsOf(query: URLSearchParams): ExecFilters {
  const f = noExecFilters();
  f.from = query.get('from') ?? DEFAULT_FROM;
  f.to = query.get('to') ?? '';
  f.q = query.get('q') ?? '';
  f.denied = query.get('denied') === '1';
  if (parseTime(f.from, 0) === null) f.from = DEFAULT_FROM;
  if (parseTime(f.to, 0) === null) f.to = '';
  for (const field of EXEC_FIELDS) {
    const v = query.get(field);
    if (v) f.only[field] = v;
  }
  return f;
}

/** Always in the same order, so that equal filters are equal text. */
export function execsQuery(f: ExecFilters): URLSearchParams {
  const query = new URLSearchParams();
  if (f.from && f.from !== DEFAULT_FROM) query.set('from', f.from);
  if (f.to) query.set('to', f.to);
  for (const field of EXEC_FIELDS) if (f.only[field]) query.set(field, f.only[field]);
  if (f.denied) query.set('denied', '1');
  if (f.q) query.set('q', f.q);
  return query;
}

/** What the server is asked. */
export function execsRequest(f: ExecFilters): URLSearchParams {
  const query = execsQuery(f);
  query.set('from', f.from || DEFAULT_FROM);
  if (f.denied) query.set('denied', 'true');
  return query;
}

/** Reads the search box: field:value becomes a filter, the rest are words of the command line. */
export function parseExecSearch(text: string, into: ExecFilters): ExecFilters {
  const f: ExecFilters = { ...into, only: { ...into.only }, q: '' };
  const words: string[] = [];
  for (const m of text.matchAll(/(?:(\w+):)?(?:"([^"]*)"|(\S+))/g)) {
    const [whole, name, quoted, bare] = m;
    const value = quoted ?? bare ?? '';
    if (name && isExecField(name) && value) f.only[name] = value;
    else words.push(whole);
  }
  f.q = words.join(' ');
  return f;
}

export function isExecNarrowed(f: ExecFilters): boolean {
  return f.q !== '' || f.denied || Object.keys(f.only).length > 0;
}
