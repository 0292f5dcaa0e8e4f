// SPDX-License-Identifier: Apache-2.0
//
// A host that is cut off from everything but its server: whether it is, what stays reachable, and the buttons that begin and end it.

import { useState } from 'preact/hooks';
import { api, seg, serverNow } from '../api/client.ts';
import type { HostDetail, HostIsolation } from '../api/types.ts';
import { t } from '../i18n/index.ts';
import { absolute, HOUR } from '../lib/time.ts';
import { Button, Field, notify, Select, TextArea, useAction } from '../parts/controls.tsx';
import { FormDialog } from '../parts/overlay.tsx';
import { Failure } from '../parts/states.tsx';
import { Raw, StateTag } from '../parts/text.tsx';
import { may } from './access.ts';
import { Section } from './frame.tsx';

const ALLOW_MAX = 64;
const REASON_MAX = 400;
const hours = [1, 8, 24, 168] as const;

/** Its time is over, also when the host has not said so yet. */
export function isolationOf(i: Pick<HostIsolation, 'state' | 'until'>, now: number): HostIsolation['state'] {
  return i.state === 'on' && i.until !== null && i.until <= now ? 'off' : i.state;
}

/** One address a line, or between commas. */
export function allowOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((a) => a !== '');
}

function IsolateDialog({ host, onClose, onDone }: { host: string; onClose: () => void; onDone: () => void }) {
  const [time, setTime] = useState('24');
  const [allow, setAllow] = useState('');
  const [reason, setReason] = useState('');
  const addresses = allowOf(allow);
  return (
    <FormDialog
      title={t('isolation.title')}
      go={t('isolation.begin').replace('…', '')}
      danger
      disabled={!reason.trim() || reason.length > REASON_MAX || addresses.length > ALLOW_MAX}
      onClose={onClose}
      onGo={async () => {
        await api.post(`hosts/${seg(host)}/commands`, { name: 'isolate', args: { for_ms: Number(time) * HOUR, allow: addresses, reason: reason.trim() } });
        notify(t('isolation.sent'));
        onDone();
      }}
    >
      <p>{t('isolation.lead')}</p>
      <Select label={t('isolation.for')} value={time} onValue={setTime} options={hours.map((n) => [String(n), n === 168 ? t('isolation.week') : t('isolation.hours', { n })] as const)} />
      <TextArea
        label={t('isolation.allow')}
        hint={t('isolation.allowHint')}
        rows={3}
        mono
        value={allow}
        onValue={setAllow}
        error={addresses.length > ALLOW_MAX ? t('isolation.allowMany', { n: ALLOW_MAX }) : null}
      />
      <Field label={t('isolation.reason')} hint={t('isolation.reasonHint')} value={reason} required onInput={(e) => setReason(e.currentTarget.value)} />
    </FormDialog>
  );
}

export function IsolationPart({ detail, reload }: { detail: HostDetail; reload: () => void }) {
  const h = detail.host;
  const i = h.isolation;
  const state = isolationOf(i, serverNow());
  const isolated = state === 'on' || state === 'coming';
  const [asks, setAsks] = useState(false);
  const action = useAction();
  const end = () =>
    void action.run(async () => {
      await api.post(`hosts/${seg(h.id)}/commands`, { name: 'isolate-end', args: {} });
      notify(t('isolation.sent'));
      reload();
    });
  return (
    <Section
      title={t('isolation.part')}
      actions={
        may('operate') && (
          <>
            {isolated && (
              <Button onClick={end} disabled={action.busy}>
                {t('isolation.end')}
              </Button>
            )}
            <Button kind="danger" onClick={() => setAsks(true)}>
              {t(isolated ? 'isolation.change' : 'isolation.begin')}
            </Button>
          </>
        )
      }
    >
      <p class={`isolation-state isolation-${state}`}>
        <StateTag state={state} table="isolation" />
        {isolated && i.until !== null && <> {t('isolation.until', { time: absolute(i.until) })}</>}
        {isolated && i.by && (
          <>
            {' · '}
            {t('isolation.by')} <Raw text={i.by} max={200} />
          </>
        )}
        <span class="defence-lead">{t(`isolation.lead.${state}`)}</span>
      </p>
      {isolated && i.reason && (
        <p>
          {t('isolation.reason')}: <Raw text={i.reason} max={500} />
        </p>
      )}
      {isolated && i.allow.length > 0 && (
        <p>
          {t('isolation.allow')}:{' '}
          {i.allow.map((a, n) => (
            <span key={a}>
              {n > 0 && ', '}
              <Raw text={a} mono max={120} />
            </span>
          ))}
        </p>
      )}
      {action.error && <Failure error={action.error} />}
      {asks && <IsolateDialog host={h.id} onClose={() => setAsks(false)} onDone={reload} />}
    </Section>
  );
}
