// SPDX-License-Identifier: Apache-2.0
//
// Keys without modifiers: pages name what they answer to; nothing is taken from whoever types text.

import { useEffect, useRef } from 'preact/hooks';

function isTyping(target: EventTarget | null): boolean {
  const e = target as HTMLElement | null;
  if (!e || !e.tagName) return false;
  if (e.tagName === 'INPUT') return !['checkbox', 'radio', 'button'].includes((e as HTMLInputElement).type);
  return e.tagName === 'TEXTAREA' || e.tagName === 'SELECT' || e.isContentEditable;
}

/** A handler that returns false leaves the key to others. */
export type Keys = Record<string, (e: KeyboardEvent) => void | boolean>;

interface Listener {
  keys: { current: Keys };
  level: number;
}

// The innermost first: what a page means by a key comes before what the frame means by it.
const listeners: Listener[] = [];

function onKey(e: KeyboardEvent): void {
  if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || isTyping(e.target)) return;
  // A dialogue that asks something has its own keys only; drawers let keys through.
  if (document.querySelector('dialog.ask[open]')) return;
  for (const l of [...listeners]) {
    const fn = l.keys.current[e.key];
    if (fn && fn(e) !== false) {
      e.preventDefault();
      return;
    }
  }
}

/** `level` 0 for the frame, 1 for pages, more for parts of them. */
export function useKeys(keys: Keys, level = 1): void {
  const now = useRef(keys);
  now.current = keys;
  useEffect(() => {
    const l: Listener = { keys: now, level };
    const at = listeners.findIndex((other) => other.level <= level);
    listeners.splice(at < 0 ? listeners.length : at, 0, l);
    if (listeners.length === 1) document.addEventListener('keydown', onKey);
    return () => {
      listeners.splice(listeners.indexOf(l), 1);
      if (!listeners.length) document.removeEventListener('keydown', onKey);
    };
  }, [level]);
}

/** Moves the focus among the items of the page's list. */
export function moveInList(by: number): void {
  const items = [...document.querySelectorAll<HTMLElement>('#main [data-item]')];
  if (!items.length) return;
  const active = document.activeElement;
  let at = items.findIndex((i) => i === active || i.closest('[data-line]')?.contains(active));
  at = at < 0 ? (by > 0 ? 0 : items.length - 1) : Math.min(items.length - 1, Math.max(0, at + by));
  const item = items[at];
  item?.focus({ preventScroll: true });
  (item?.closest('[data-line]') ?? item)?.scrollIntoView({ block: 'nearest' });
}

export function focusSearch(): void {
  const box = document.querySelector<HTMLInputElement>('#main input[type=search]');
  box?.focus();
  box?.select();
}
