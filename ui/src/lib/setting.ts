// SPDX-License-Identifier: Apache-2.0
//
// Values of settings as people write them: 90d, 50G. The server reads the same forms.

import type { Setting } from '../api/types.ts';

type Type = Setting['type'];

const units: Partial<Record<Type, [string, number][]>> = {
  ms: [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ],
  bytes: [
    ['T', 2 ** 40],
    ['G', 2 ** 30],
    ['M', 2 ** 20],
    ['K', 2 ** 10],
  ],
};

/** In the largest unit that leaves nothing over. */
export function written(type: Type, value: unknown): string {
  if (typeof value === 'number' && value > 0)
    for (const [unit, size] of units[type] ?? []) if (value % size === 0) return `${value / size}${unit}`;
  return value === null || value === undefined ? '' : String(value);
}

/** What is sent: truths and plain numbers as such, everything else as it was written. */
export function valueOf(type: Type, text: string): string | number | boolean {
  const s = text.trim();
  if (type === 'bool') return s === 'true';
  if (type !== 'text' && /^\d{1,15}$/.test(s)) return Number(s);
  return s;
}
