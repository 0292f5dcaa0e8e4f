// SPDX-License-Identifier: Apache-2.0
//
// How a host defends safeguard itself: whether it does, what the canary saw, what was tried, and the window for maintenance, which
// operators open and close.

import { useEffect, useState } from 'preact/hooks';
import { api, seg, serverNow } from '../api/client.ts';
import { useData, useLive } from '../api/data.ts';
import type { DefenceNow, Event as EventRow, HealthRow, HostDefence, HostDetail, LiveDefence } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { count } from '../lib/num.ts';
import { absolute, duration, MINUTE } from '../lib/time.ts';
import { Button, Field, notify, Select, useAction } from '../parts/controls.tsx';
import { FormDialog } from '../parts/overlay.tsx';
import { Failure } from '../parts/states.tsx';
import { Ago, At, Fact, Raw, StateTag } from '../parts/text.tsx';
import { may } from './access.ts';
import { Section } from './frame.tsx';

const EVERY = 5000;
/** While a command is on its way. */
const SOON = 1000;
const LATELY = 5;
const REASON_MAX = 200;

/** A window that has ended is none, also when its host has not said so yet. */
export function stateOf(d: Pick<HostDefence, 'state' | 'until'>, now: number): HostDefence['state'] {
  return d.state === 'unlocked' && d.until !== null && d.until <= now ? 'locked' : d.state;
}

export function DefenceTag({ d }: { d: HostDefence }) {
  const state = stateOf(d, serverNow());
  return (
    <>
      <StateTag state={state} table="defence" />
      {state === 'unlocked' && d.until !== null && <div class="cell-note">{t('defence.until', { time: absolute(d.until).slice(11, 16) })}</div>}
      {d.failing > 0 && <div class="cell-note bad-text">{t('defence.failing', { n: d.failing })}</div>}
    </>
  );
}

const windows = [5, 10, 30, 60] as const;

function UnlockDialog({ host, onClose, onDone }: { host: string; onClose: () => void; onDone: () => void }) {
  const [minutes, setMinutes] = useState('10');
  const [reason, setReason] = useState('');
  return (
    <FormDialog
      title={t('defence.unlockTitle')}
      go={t('defence.unlock').replace('…', '')}
      danger
      disabled={!reason.trim() || reason.length > REASON_MAX}
      onClose={onClose}
      onGo={async () => {
        await api.post(`hosts/${seg(host)}/commands`, { name: 'unlock', args: { for_ms: Number(minutes) * MINUTE, reason: reason.trim() } });
        notify(t('defence.sent'));
        onDone();
      }}
    >
      <p>{t('defence.unlockLead')}</p>
      <Select
        label={t('defence.for')}
        value={minutes}
        onValue={setMinutes}
        options={windows.map((n) => [String(n), n === 60 ? t('defence.hour') : t('defence.minutes', { n })] as const)}
      />
      <Field label={t('defence.reason')} hint={t('defence.reasonHint')} value={reason} required onInput={(e) => setReason(e.currentTarget.value)} />
    </FormDialog>
  );
}

/** Open until: counted down each second while it is. */
function Left({ until }: { until: number }) {
  const [, draw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => draw((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [until]);
  return <span class="num">{t('defence.left', { time: duration(Math.max(0, until - serverNow())) })}</span>;
}

function Canary({ d }: { d: DefenceNow }) {
  const s = d.self_test;
  return (
    <>
      <Fact name={t('defence.canary')}>
        {s.time !== null ? <Ago ms={s.time} /> : <span class="faint">{t('defence.canaryNever')}</span>}
        {s.failing > 0 && <span class="bad-text"> {t('defence.failing', { n: s.failing })}</span>}
        {s.error && (
          <div class="bad-text">
            <Raw text={s.error} max={300} />
          </div>
        )}
      </Fact>
    </>
  );
}

/** How many of the hooks in use that can prove themselves have. What there is nothing to ask of is no worry. */
function Hooks({ rows }: { rows: HealthRow[] }) {
  const n = (...states: string[]) => rows.filter((r) => states.includes(r.state)).length;
  const proved = n('proved');
  const all = proved + n('attached', 'recording', 'failed');
  const rest = (['untestable', 'unavailable'] as const).filter((state) => n(state) > 0);
  if (!all) return null;
  return (
    <Fact name={t('defence.hooks')}>
      <span class={proved < all ? 'warn-text num' : 'num'}>{t('defence.hooksText', { proved: count(proved), all: count(all) })}</span>
      {rest.map((state) => (
        <span key={state} class="faint num">
          {' · '}
          {t(state === 'untestable' ? 'defence.hooksUntestable' : 'defence.hooksUnavailable', { n: count(n(state)) })}
        </span>
      ))}
    </Fact>
  );
}

function Facts({ d, row, detail }: { d: DefenceNow | null; row: HostDefence; detail: HostDetail }) {
  const attempts = d?.attempts ?? row.attempts;
  const repairs = d?.repairs ?? row.repairs;
  return (
    <dl class="facts facts-wide">
      {d ? (
        <Canary d={d} />
      ) : (
        <Fact name={t('defence.canary')}>
          <Ago ms={row.self_test} /> <span class="faint">({t('defence.asOf')})</span>
          {row.failing > 0 && <span class="bad-text"> {t('defence.failing', { n: row.failing })}</span>}
        </Fact>
      )}
      <Hooks rows={detail.health} />
      <Fact name={t('defence.attempts')}>
        <span class={attempts > 0 ? 'warn-text num' : 'num'}>{t('defence.attemptsText', { n: count(attempts) })}</span>
      </Fact>
      {repairs > 0 && (
        <Fact name={t('defence.repairs')}>
          <span class="warn-text num">{count(repairs)}</span>
        </Fact>
      )}
      {d && d.state !== 'off' && (
        <>
          <Fact name={t('defence.programs')}>
            <span class="num">{count(d.programs)}</span>
            {d.missing && (
              <div class="bad-text">
                {t('defence.missing')}: <Raw text={d.missing} max={300} />
              </div>
            )}
          </Fact>
          <Fact name={t('defence.secret')}>
            <span class={d.secret ? '' : 'warn-text'}>{t(d.secret ? 'defence.secretYes' : 'defence.secretNo')}</span>
          </Fact>
        </>
      )}
    </dl>
  );
}

/** What the agent said of its defence lately: refusals, windows, repairs. */
function Lately({ host }: { host: string }) {
  const query = { host, class: '0', q: 'defence', from: '-7d' };
  const data = useData(`defence ${host}`, (signal) => api.get<Page<EventRow>>('events', { ...query, limit: LATELY }, signal), 15_000);
  if (data.error) return <Failure error={data.error} retry={data.reload} />;
  const items = data.value?.items ?? [];
  return (
    <div class="defence-lately">
      <h3>{t('defence.lately')}</h3>
      {data.value && !items.length && <p class="faint">{t('defence.latelyNone')}</p>}
      {items.length > 0 && (
        <>
          <ul class="brief">
            {items.map((e) => (
              <li key={e.id}>
                <a href={`/records?record=${seg(e.id)}`}>
                  <At ms={e.time} />
                </a>
                <span class={e.severity >= 4 ? 'brief-note bad-text' : 'brief-note'}>
                  <Raw text={e.message} max={240} />
                </span>
              </li>
            ))}
          </ul>
          <p>
            <a href={`/records?${new URLSearchParams(query).toString()}`}>{t('defence.records')}</a>
          </p>
        </>
      )}
    </div>
  );
}

export function DefencePart({ detail, reload }: { detail: HostDetail; reload: () => void }) {
  const h = detail.host;
  const [asks, setAsks] = useState(false);
  const [waits, setWaits] = useState(0);
  const action = useAction();
  const data = useLive(may('view') ? `defence now ${h.id}` : null, (signal) => api.get<LiveDefence>(`hosts/${seg(h.id)}/live/defence`, undefined, signal), () =>
    waits > Date.now() ? SOON : EVERY,
  );
  const answer = data.value;
  const fresh = answer?.live.state === 'answered' ? answer.defence : null;
  const state = stateOf(fresh ?? h.defence, serverNow());
  const until = fresh ? fresh.until : h.defence.until;
  const by = fresh ? fresh.by : h.defence.by;
  // Asked for quickly for a while: who sent a command wants to see it done.
  const sent = () => {
    setWaits(Date.now() + 15_000);
    reload();
    data.reload();
  };
  const lock = () =>
    void action.run(async () => {
      await api.post(`hosts/${seg(h.id)}/commands`, { name: 'lock', args: {} });
      notify(t('defence.sent'));
      sent();
    });
  return (
    <Section
      title={t('defence.title')}
      actions={
        may('operate') && (
          <>
            {state === 'unlocked' && (
              <Button onClick={lock} disabled={action.busy}>
                {t('defence.lock')}
              </Button>
            )}
            {(state === 'locked' || state === 'unlocked') && (
              <Button kind="danger" onClick={() => setAsks(true)}>
                {t('defence.unlock')}
              </Button>
            )}
          </>
        )
      }
    >
      <p class={`defence-state defence-${state}`}>
        <StateTag state={state} table="defence" />
        {state === 'unlocked' && until !== null && (
          <>
            {' '}
            {t('defence.until', { time: absolute(until) })} · <Left until={until} />
          </>
        )}
        {state === 'unlocked' && by && (
          <>
            {' · '}
            {t('defence.by')} <Raw text={by} max={200} />
          </>
        )}
        <span class="defence-lead">{t(`defence.lead.${state}`)}</span>
      </p>
      {answer?.live.state === 'away' && (
        <p class="banner" role="status">
          {t('defence.unheard')} <Ago ms={answer.live.last_seen} />
        </p>
      )}
      {action.error && <Failure error={action.error} />}
      <Facts d={fresh} row={h.defence} detail={detail} />
      {may('view') && <Lately host={h.id} />}
      {asks && <UnlockDialog host={h.id} onClose={() => setAsks(false)} onDone={sent} />}
    </Section>
  );
}
