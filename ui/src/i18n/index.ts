// SPDX-License-Identifier: Apache-2.0
//
// All text that people read, in English and Chinese. A key without both does not compile. {name} stands
// for a value; {n|host|hosts} picks by the number n (both are the same in Chinese).

import { keep, kept, store } from '../lib/store.ts';
import { common } from './common.ts';
import { hosts } from './hosts.ts';
import { live } from './live.ts';
import { manage } from './manage.ts';
import { network } from './network.ts';
import { policies } from './policies.ts';
import { processes } from './processes.ts';
import { records } from './records.ts';

export type Pair = readonly [en: string, zh: string];
export type Values = Record<string, string | number>;

export const table = { ...common, ...hosts, ...live, ...manage, ...network, ...policies, ...processes, ...records } as const;
export type Key = keyof typeof table;

export const LANGS = ['en', 'zh'] as const;
export type Lang = (typeof LANGS)[number];

function ofBrowser(): Lang {
  const saved = kept('lang');
  if (saved === 'en' || saved === 'zh') return saved;
  const wanted = typeof navigator === 'undefined' ? [] : navigator.languages;
  for (const l of wanted) {
    if (l.toLowerCase().startsWith('zh')) return 'zh';
    if (l.toLowerCase().startsWith('en')) return 'en';
  }
  return 'en';
}

export const lang = store<Lang>(ofBrowser());

export function setLang(l: Lang): void {
  keep('lang', l);
  lang.set(l);
}

export function fill(text: string, values: Values | undefined): string {
  return text.replace(/\{(\w+)(?:\|([^|{}]*)\|([^|{}]*))?\}/g, (whole, name: string, one?: string, many?: string) => {
    const v = values?.[name];
    if (v === undefined) return whole;
    const shown = typeof v === 'number' ? v.toLocaleString('en-US') : v;
    return one === undefined ? shown : `${shown} ${Number(v) === 1 ? one : many}`;
  });
}

export function say(l: Lang, key: Key, values?: Values): string {
  return fill(table[key][l === 'zh' ? 1 : 0], values);
}

/** In the language of the page. Parts are drawn again when it changes, from the top. */
export function t(key: Key, values?: Values): string {
  return say(lang.get(), key, values);
}

/** For keys that are put together from what the server says: the word itself when it is not ours. */
export function tOr(key: string, otherwise: string): string {
  return Object.prototype.hasOwnProperty.call(table, key) ? t(key as Key) : otherwise;
}
