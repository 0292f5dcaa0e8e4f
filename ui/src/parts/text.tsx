// SPDX-License-Identifier: Apache-2.0
//
// Small parts that show a value: text from hosts, times, outcomes, states.

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { clockOffset, serverNow } from '../api/client.ts';
import { lang, t, tOr } from '../i18n/index.ts';
import { outcomeKey, outcomeOf, severityKey } from '../lib/ocsf.ts';
import { pieces, plain } from '../lib/text.ts';
import { absolute, compact, relative, zoneOf } from '../lib/time.ts';
import { useStore } from '../lib/store.ts';

/** Text that did not come from us: isolated in its direction, odd characters made visible. */
export function Raw({ text, max, mono }: { text: string | null | undefined; max?: number; mono?: boolean }) {
  if (text === null || text === undefined || text === '') return <span class="faint">–</span>;
  return (
    <bdi class={mono ? 'raw mono' : 'raw'}>
      {pieces(text, max).map((p) =>
        p.odd ? (
          <span class="odd" title={t('ui.oddCharacter', { code: p.odd.toString(16).toUpperCase().padStart(4, '0') })}>
            {p.text}
          </span>
        ) : (
          p.text
        ),
      )}
    </bdi>
  );
}

/** Who did something: "user:ann" is ann; programs and agents keep the word that says so. */
export function Who({ text }: { text: string | null | undefined }) {
  return <Raw text={text?.replace(/^user:/, '')} />;
}

/** Paths give way at the front: their end says more. */
export function Path({ text }: { text: string | null | undefined }) {
  return <Raw text={text} mono />;
}

// One timer for all relative times of the page.
const ticks = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | null = null;

function useTick(): void {
  const [, set] = useState(0);
  useEffect(() => {
    const fn = () => set((n) => n + 1);
    ticks.add(fn);
    timer ??= setInterval(() => document.visibilityState === 'visible' && ticks.forEach((f) => f()), 15_000);
    return () => {
      ticks.delete(fn);
      if (ticks.size === 0 && timer !== null) {
        clearInterval(timer);
        timer = null;
      }
    };
  }, []);
}

/** How long ago, with the absolute time on hover and for screen readers. */
export function Ago({ ms, never }: { ms: number | null | undefined; never?: string }) {
  useTick();
  useStore(clockOffset);
  if (ms === null || ms === undefined || ms <= 0) return <span class="faint">{never ?? t('ui.never')}</span>;
  return (
    <time dateTime={new Date(ms).toISOString()} title={`${absolute(ms, undefined, true)} ${zoneOf(ms)}`}>
      {relative(ms, serverNow(), lang.get())}
    </time>
  );
}

/** The time itself, short; on hover with fractions and how long ago. */
export function At({ ms, full }: { ms: number; full?: boolean }) {
  if (!Number.isFinite(ms)) return <span class="faint">–</span>;
  const now = serverNow();
  return (
    <time
      dateTime={new Date(ms).toISOString()}
      title={`${absolute(ms, undefined, true)} ${zoneOf(ms)} · ${relative(ms, now, lang.get())}`}
      class="num"
    >
      {full ? absolute(ms, undefined, true) : compact(ms, now)}
    </time>
  );
}

export function OutcomeTag({ outcome }: { outcome: string }) {
  const o = outcomeOf(outcome);
  return (
    <span class={`outcome outcome-${o}`}>
      <span class="glyph" aria-hidden="true" />
      {t(outcomeKey[o])}
    </span>
  );
}

export function SeverityTag({ n }: { n: number }) {
  return (
    <span class={`severity severity-${n}`}>
      <span class="bars" aria-hidden="true">
        {[1, 2, 3, 4, 5].map((i) => (
          <i class={i <= n ? 'on' : ''} />
        ))}
      </span>
      {t(severityKey(n))}
    </span>
  );
}

const tones: Record<string, string> = {
  ok: 'good',
  proved: 'good',
  done: 'good',
  resolved: 'good',
  valid: 'good',
  applied: 'good',
  locked: 'good',
  unlocked: 'warn',
  attached: 'info',
  recording: 'warn',
  waiting: 'info',
  sent: 'info',
  spent: 'mute',
  running: 'info',
  acknowledged: 'info',
  degraded: 'warn',
  paused: 'warn',
  silent: 'mute-strong',
  new: 'bad',
  failed: 'bad',
  refused: 'bad',
  cloned: 'bad',
  critical: 'bad',
  high: 'bad',
  medium: 'warn',
};

/** A state as a word in its colour; `table` is the prefix of its names in the languages. */
export function StateTag({ state, table }: { state: string; table: string }) {
  return (
    <span class={`state tone-${tones[state] ?? 'mute'}`}>
      <span class="dot" aria-hidden="true" />
      {/* Hosts say it, too: what is none of our words is theirs. */}
      {tOr(`${table}.${state}`, plain(String(state), 40))}
    </span>
  );
}

/** `link`: each leads to the hosts that have it. */
export function Labels({ labels, link }: { labels: Record<string, string>; link?: boolean }) {
  const list = Object.entries(labels);
  if (!list.length) return <span class="faint">–</span>;
  return (
    <span class="labels">
      {list.map(([k, v]) =>
        link ? (
          <a class="label" href={`/hosts?label=${encodeURIComponent(`${k}=${v}`)}`}>
            <Raw text={`${k}=${v}`} />
          </a>
        ) : (
          <span class="label">
            <Raw text={`${k}=${v}`} />
          </span>
        ),
      )}
    </span>
  );
}

/** A row of a description list. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
