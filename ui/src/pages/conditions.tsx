// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a host as the server sees it, in the language of the page, with what to do.

import type { Condition, Host, HostCondition } from '../api/types.ts';
import { lang, t, tOr } from '../i18n/index.ts';
import { absolute, duration } from '../lib/time.ts';
import { Raw } from '../parts/text.tsx';

export function conditionTitle(name: Condition): string {
  return tOr(`condition.${name}`, name);
}

export function conditionCure(name: Condition, english: string): string {
  return tOr(`condition.${name}.cure`, english);
}

/** The server says it in English; with the host at hand it is said here. Parts of it are text of hosts: to be shown by Raw. */
export function conditionWhat(h: Host, c: HostCondition): string {
  if (lang.get() === 'en') return c.what;
  switch (c.name) {
    case 'unheard':
      return h.last_seen ? t('condition.unheard.what', { time: absolute(h.last_seen) }) : conditionTitle(c.name);
    case 'silent':
      return h.last_seen ? t('condition.silent.what', { time: absolute(h.last_seen) }) : conditionTitle(c.name);
    case 'certificate-expired':
    case 'certificate-expiring':
      return h.certificate_expires
        ? t(`condition.${c.name}.what`, { time: absolute(h.certificate_expires) })
        : conditionTitle(c.name);
    case 'clock': {
      const off = h.clock_ms ?? 0;
      return t(off < 0 ? 'condition.clock.behind' : 'condition.clock.ahead', { time: duration(off) });
    }
    case 'policy-refused':
      return `${conditionTitle(c.name)}: ${h.bundle.error ?? ''}`;
    case 'unprotected':
    case 'degraded':
      return `${conditionTitle(c.name)}: ${c.what}`;
    default:
      return conditionTitle(c.name);
  }
}

/** One after the other, with its cure; `but` is said elsewhere. */
export function Conditions({ h, but }: { h: Host; but?: Condition }) {
  const shown = h.conditions.filter((c) => c.name !== but);
  if (!shown.length) return null;
  return (
    <ul class="problems">
      {shown.map((c) => (
        <li class="problem" key={c.name}>
          <p class="problem-what">
            <Raw text={conditionWhat(h, c)} />
          </p>
          <p>
            <b>{t('ui.cure')}:</b> {conditionCure(c.name, c.cure)}
          </p>
        </li>
      ))}
    </ul>
  );
}

/** In a list: the first of them, and why else it is in its state. */
export function HostReason({ h }: { h: Host }) {
  const first = h.conditions.find((c) => c.name !== 'losses');
  if (!first && !h.reason) return null;
  return (
    <div class="cell-note">
      <Raw text={first ? conditionWhat(h, first) : h.reason} max={160} />
      {first && (
        <div>
          <b>{t('ui.cure')}:</b> {conditionCure(first.name, first.cure)}
        </div>
      )}
    </div>
  );
}
