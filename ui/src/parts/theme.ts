// SPDX-License-Identifier: Apache-2.0
//
// Light, dark, or as the system is.

import { keep, kept, store } from '../lib/store.ts';

export type Theme = 'auto' | 'light' | 'dark';

const media = matchMedia('(prefers-color-scheme: dark)');

export const theme = store<Theme>(((): Theme => {
  const saved = kept('theme');
  return saved === 'light' || saved === 'dark' ? saved : 'auto';
})());

export const themeNow = store<'light' | 'dark'>('light');

function apply(): void {
  const wanted = theme.get();
  const root = document.documentElement;
  if (wanted === 'auto') root.removeAttribute('data-theme');
  else root.setAttribute('data-theme', wanted);
  themeNow.set(wanted === 'auto' ? (media.matches ? 'dark' : 'light') : wanted);
}

export function setTheme(to: Theme): void {
  keep('theme', to === 'auto' ? null : to);
  theme.set(to);
  apply();
}

export function startTheme(): void {
  media.addEventListener('change', apply);
  apply();
}
