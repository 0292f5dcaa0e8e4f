// SPDX-License-Identifier: Apache-2.0
//
// What happened in one sentence. The agent writes it in English; in other languages it is put together from the
// columns, as far as they say enough.

import type { Condition } from '../api/types.ts';
import { lang, t } from '../i18n/index.ts';
import { activityKey, outcomeKey, outcomeOf } from '../lib/ocsf.ts';
import { baseName } from '../lib/text.ts';
import { conditionTitle } from './conditions.tsx';

interface Columns {
  class: number;
  activity?: number;
  outcome: string;
  program: string | null;
  user: string | null;
  path: string | null;
  condition?: Condition | null; // of an alert about a host
}

/** The result is text of hosts: to be shown by Raw. */
export function sentence(c: Columns, english: string | null): string {
  if (c.condition) return `${conditionTitle(c.condition)}: ${english ?? ''}`;
  if (lang.get() === 'en' || c.class !== 1001 || !c.path || !c.program) return english ?? '';
  return t('record.file', {
    program: baseName(c.program),
    user: c.user ?? '?',
    verb: t(activityKey(c.class, c.activity ?? 0)),
    path: c.path,
    outcome: t(outcomeKey[outcomeOf(c.outcome)]),
  });
}
