// SPDX-License-Identifier: Apache-2.0
//
// What the numbers of OCSF 1.8 mean here. Names for people are in the tables of the languages.

import type { Key } from '../i18n/index.ts';

/** The gravest first. not-held: the policy forbids it, and this kernel could not prevent it. */
export const OUTCOMES = ['not-held', 'denied', 'would-deny', 'audited', 'allowed', 'other'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export function outcomeOf(text: string | null | undefined): Outcome {
  return (OUTCOMES as readonly string[]).includes(text ?? '') ? (text as Outcome) : 'other';
}

export const outcomeKey: Record<Outcome, Key> = {
  'not-held': 'outcome.not-held',
  denied: 'outcome.denied',
  'would-deny': 'outcome.would-deny',
  audited: 'outcome.audited',
  allowed: 'outcome.allowed',
  other: 'outcome.other',
};

const severities: Key[] = [
  'severity.0',
  'severity.1',
  'severity.2',
  'severity.3',
  'severity.4',
  'severity.5',
  'severity.6',
];

export function severityKey(n: number | null | undefined): Key {
  return severities[n ?? 0] ?? 'severity.0';
}

const activities: Record<number, Record<number, Key>> = {
  1001: {
    1: 'activity.create',
    2: 'activity.read',
    3: 'activity.update',
    4: 'activity.delete',
    5: 'activity.rename',
    6: 'activity.setattr',
    7: 'activity.setsec',
    12: 'activity.mount',
    13: 'activity.unmount',
    14: 'activity.open',
  },
  2004: { 1: 'activity.found' },
  1003: { 1: 'activity.create', 2: 'activity.read', 4: 'activity.invoke' },
  1005: { 1: 'activity.load' },
  1007: { 1: 'activity.launch', 2: 'activity.terminate', 3: 'activity.open', 4: 'activity.inject', 5: 'activity.setuid' },
};

export function activityKey(cls: number, activity: number): Key {
  if (cls === 0) return 'activity.notice';
  return activities[cls]?.[activity] ?? 'activity.other';
}

export const CLASSES: [number, Key][] = [
  [1001, 'class.1001'],
  [1003, 'class.1003'],
  [1004, 'class.1004'],
  [1005, 'class.1005'],
  [1007, 'class.1007'],
  [2004, 'class.2004'],
  [0, 'class.0'],
];

export function classKey(cls: number): Key {
  return CLASSES.find(([n]) => n === cls)?.[1] ?? 'class.other';
}
