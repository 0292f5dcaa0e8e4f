// SPDX-License-Identifier: Apache-2.0
//
// What the record pages look at: a range of time, fields that must or must not have a value, and free
// text. A filter is the query of the page's URL, so that a link, the back button and a bookmark keep it.

import type { Event as EventRow } from '../api/types.ts';
import { parseTime } from './time.ts';

export const FIELDS = [
  'host',
  'outcome',
  'severity',
  'class',
  'rule',
  'policy',
  'user',
  'program',
  'path',
  'process',
  'address',
  'port',
  'domain',
] as const;
export type Field = (typeof FIELDS)[number];

export interface Filters {
  from: string;
  to: string;
  q: string;
  only: Partial<Record<Field, string[]>>;
  not: Partial<Record<Field, string[]>>;
}

export const DEFAULT_FROM = '-24h';

export function isField(s: string): s is Field {
  return (FIELDS as readonly string[]).includes(s);
}

export function empty(): Filters {
  return { from: DEFAULT_FROM, to: '', q: '', only: {}, not: {} };
}

function unique(list: string[]): string[] {
  return [...new Set(list.filter((v) => v !== ''))];
}

/** Unknown parameters are for others (the open record, say) and are left alone. */
export function fromQuery(query: URLSearchParams): Filters {
  const f = empty();
  f.from = query.get('from') ?? DEFAULT_FROM;
  f.to = query.get('to') ?? '';
  f.q = query.get('q') ?? '';
  if (parseTime(f.from, 0) === null) f.from = DEFAULT_FROM;
  if (parseTime(f.to, 0) === null) f.to = '';
  for (const field of FIELDS) {
    const only = unique(query.getAll(field)).slice(0, isList(field) ? undefined : 1);
    const not = canExclude(field) ? unique(query.getAll(`not_${field}`)) : [];
    if (only.length) f.only[field] = only;
    if (not.length) f.not[field] = not;
  }
  return f;
}

/** Always in the same order, so that equal filters are equal text. */
export function toQuery(f: Filters): URLSearchParams {
  const query = new URLSearchParams();
  if (f.from && f.from !== DEFAULT_FROM) query.set('from', f.from);
  if (f.to) query.set('to', f.to);
  for (const field of FIELDS) for (const v of f.only[field] ?? []) query.append(field, v);
  for (const field of FIELDS) for (const v of f.not[field] ?? []) query.append(`not_${field}`, v);
  if (f.q) query.set('q', f.q);
  return query;
}

/** Fields that may have several values at once: any of them. */
export function isList(field: Field): boolean {
  return field === 'host' || field === 'outcome' || field === 'class' || isMark(field);
}

/** Of which a record has several, and of which a list of records names none. */
function isMark(field: Field): field is 'process' | 'address' | 'port' | 'domain' {
  return field === 'process' || field === 'address' || field === 'port' || field === 'domain';
}

/** What a list of records does not name cannot be left out. */
export function canExclude(field: Field): boolean {
  return !isMark(field);
}

/**
 * What the server is asked. `known` are the parameters that it takes here. What cannot be said to it (to leave
 * out a value with a comma) is done by isExcluded() on what comes.
 */
export function toRequest(f: Filters, known: Record<string, 'one' | 'list'>): URLSearchParams {
  const query = new URLSearchParams();
  const set = (name: string, values: string[]) => {
    const kind = known[name];
    if (!kind || !values.length) return;
    // A comma stands between values, so that one with a comma cannot be in a list.
    const list = kind === 'list' ? values.filter((v) => !v.includes(',')) : values.slice(0, 1);
    if (list.length) query.set(name, list.join(','));
  };
  set('from', [f.from || DEFAULT_FROM]);
  set('to', f.to ? [f.to] : []);
  for (const field of FIELDS) {
    set(field, f.only[field] ?? []);
    set(`not_${field}`, f.not[field] ?? []);
  }
  set('q', f.q ? [f.q] : []);
  return query;
}

export function withValue(f: Filters, kind: 'only' | 'not', field: Field, value: string): Filters {
  const other = kind === 'only' ? 'not' : 'only';
  const cleaned = without(f, other, field, value);
  const before = kind === 'not' || isList(field) ? (cleaned[kind][field] ?? []) : [];
  const list = unique([...before, value]);
  return { ...cleaned, [kind]: { ...cleaned[kind], [field]: list } };
}

export function without(f: Filters, kind: 'only' | 'not', field: Field, value: string): Filters {
  const list = (f[kind][field] ?? []).filter((v) => v !== value);
  const part = { ...f[kind] };
  if (list.length) part[field] = list;
  else delete part[field];
  return { ...f, [kind]: part };
}

export function isNarrowed(f: Filters): boolean {
  return f.q !== '' || Object.keys(f.only).length > 0 || Object.keys(f.not).length > 0;
}

/** Every chip: field, value and whether it excludes. */
export function chips(f: Filters): { kind: 'only' | 'not'; field: Field; value: string }[] {
  const out: { kind: 'only' | 'not'; field: Field; value: string }[] = [];
  for (const kind of ['only', 'not'] as const)
    for (const field of FIELDS) for (const value of f[kind][field] ?? []) out.push({ kind, field, value });
  return out;
}

/**
 * Reads the search box: field:value and -field:value become chips, "quotes" keep blanks, the rest is
 * free text.
 */
export function parseSearch(text: string, into: Filters): Filters {
  let f: Filters = { ...into, q: '' };
  const words: string[] = [];
  for (const m of text.matchAll(/(-?)(?:(\w+):)?(?:"([^"]*)"|(\S+))/g)) {
    const [whole, minus, name, quoted, bare] = m;
    const value = quoted ?? bare ?? '';
    if (name && isField(name) && value && (!minus || canExclude(name))) f = withValue(f, minus ? 'not' : 'only', name, value);
    else words.push(quoted !== undefined && !name ? `${minus}"${quoted}"` : whole);
  }
  f.q = words.join(' ');
  return f;
}

function holds(pattern: string, value: string): boolean {
  return pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern;
}

function valueOf(row: EventRow, field: Field): string {
  const v = isMark(field) ? null : row[field];
  return v === null || v === undefined ? '' : String(v);
}

/** Whether a chip that excludes speaks of the row. */
export function isExcluded(f: Filters, row: EventRow): boolean {
  for (const field of FIELDS)
    for (const v of f.not[field] ?? []) {
      if (field === 'path' ? holds(v, row.path ?? '') : valueOf(row, field) === v) return true;
    }
  return false;
}
