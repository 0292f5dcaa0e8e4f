// SPDX-License-Identifier: Apache-2.0
//
// Where one is: path and query of the address bar. Links are plain links; a click on one of ours stays
// on the page. A page with unsaved work may ask before it is left.

import { store, useStore } from './lib/store.ts';

export interface Place {
  path: string;
  query: URLSearchParams;
}

function here(): Place {
  return { path: location.pathname.replace(/\/+$/, '') || '/', query: new URLSearchParams(location.search) };
}

export const place = store<Place>({ path: '/', query: new URLSearchParams() });

let guard: (() => boolean) | null = null;
let current = '';

/** `fn` returns false to stay. */
export function guardLeaving(fn: (() => boolean) | null): void {
  guard = fn;
}

function arrive(): void {
  current = location.pathname + location.search;
  place.set(here());
}

export function go(to: string, replace = false): void {
  const url = new URL(to, location.href);
  const leaves = url.pathname !== location.pathname;
  if (leaves && guard && !guard()) return;
  if (url.pathname + url.search === current) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', url.pathname + url.search);
  arrive();
  if (leaves) {
    window.scrollTo(0, 0);
    document.getElementById('main')?.focus({ preventScroll: true });
  }
}

/** The same page with some parameters changed; null removes one. */
export function withQuery(changes: Record<string, string | null>): string {
  const query = new URLSearchParams(location.search);
  for (const [k, v] of Object.entries(changes)) {
    if (v === null || v === '') query.delete(k);
    else query.set(k, v);
  }
  const text = query.toString();
  return location.pathname + (text ? `?${text}` : '');
}

export function usePlace(): Place {
  return useStore(place);
}

function onClick(e: MouseEvent): void {
  if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  const a = (e.target as Element | null)?.closest?.('a');
  if (!a || !a.href || a.target || a.hasAttribute('download')) return;
  const url = new URL(a.href);
  if (url.origin !== location.origin || url.pathname.startsWith('/api/')) return;
  if (url.hash && url.pathname === location.pathname) return;
  e.preventDefault();
  go(url.pathname + url.search);
}

export function startRouter(): void {
  document.addEventListener('click', onClick);
  window.addEventListener('popstate', () => {
    const path = current.split('?')[0];
    if (location.pathname !== path && guard && !guard()) {
      history.pushState(null, '', current);
      return;
    }
    arrive();
  });
  window.addEventListener('beforeunload', (e) => {
    if (guard && !guardQuiet()) e.preventDefault();
  });
  arrive();
}

let quiet: (() => boolean) | null = null;

/** For the browser's own question: true when there is nothing to lose. */
export function guardUnload(fn: (() => boolean) | null): void {
  quiet = fn;
}

function guardQuiet(): boolean {
  return quiet ? quiet() : true;
}
