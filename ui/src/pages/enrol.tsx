// SPDX-License-Identifier: Apache-2.0
//
// Tokens by which hosts join.

import { useState } from 'preact/hooks';
import { api, seg, serverNow } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { EnrolmentToken, EnrolmentTokenMade } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { labelsOf } from '../lib/labels.ts';
import { HOUR } from '../lib/time.ts';
import { Button, Copyable, Field, Select, TextArea } from '../parts/controls.tsx';
import { Confirm, Dialog, FormDialog } from '../parts/overlay.tsx';
import { Empty, Show } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { Ago, Labels, StateTag, Who } from '../parts/text.tsx';
import { may } from './access.ts';
import { PageHead } from './frame.tsx';

const hours = ['1', '24', '168', '720'] as const;

function hoursText(h: string): string {
  const n = Number(h);
  return n < 24 ? t('enrol.hours', { n }) : t('tokens.days', { n: n / 24 });
}

function NewToken({ onClose, onMade }: { onClose: () => void; onMade: (k: EnrolmentTokenMade) => void }) {
  const [uses, setUses] = useState('10');
  const [valid, setValid] = useState<(typeof hours)[number]>('24');
  const [text, setText] = useState('');
  const labels = labelsOf(text);
  const n = Number(uses);
  return (
    <FormDialog
      title={t('enrol.new')}
      go={t('ui.create')}
      disabled={labels.bad > 0 || !Number.isInteger(n) || n < 1}
      onClose={onClose}
      onGo={async () =>
        onMade(
          await api.post<EnrolmentTokenMade>('enrolment-tokens', {
            uses: n,
            expires_in: Number(valid) * HOUR,
            labels: labels.labels,
          }),
        )
      }
    >
      <Field label={t('enrol.uses')} type="number" min={1} max={100000} value={uses} onInput={(e) => setUses(e.currentTarget.value)} />
      <Select label={t('tokens.expiresIn')} value={valid} onValue={setValid} options={hours.map((h) => [h, hoursText(h)] as const)} />
      <TextArea
        label={`${t('enrol.labels')} (${t('ui.optional')})`}
        hint={t('host.labelsHint')}
        mono
        value={text}
        onValue={setText}
        error={labels.bad ? t('host.labelsBad', { line: labels.bad }) : null}
      />
    </FormDialog>
  );
}

function stateOf(k: EnrolmentToken): 'expired' | 'spent' | 'valid' {
  if (k.expires !== null && k.expires < serverNow()) return 'expired';
  if (k.uses_left === 0) return 'spent';
  return 'valid';
}

export function EnrolPage() {
  const data = useData('enrol', (signal) => api.get<Page<EnrolmentToken>>('enrolment-tokens', undefined, signal), 15_000);
  const [asks, setAsks] = useState(false);
  const [made, setMade] = useState<EnrolmentTokenMade | null>(null);
  const [ends, setEnds] = useState<EnrolmentToken | null>(null);
  return (
    <>
      <PageHead title={t('enrol.title')} lead={t('enrol.lead')}>
        {may('administer') && (
          <Button kind="main" onClick={() => setAsks(true)}>
            {t('enrol.new')}
          </Button>
        )}
      </PageHead>
      <Show data={data} lines={5}>
        {({ items }) =>
          items.length ? (
            <Table
              label={t('enrol.list')}
              rows={items}
              keyOf={(k) => k.id}
              columns={[
                { key: 'state', head: t('ui.state'), cell: (k) => <StateTag state={stateOf(k)} table="enrol" /> },
                {
                  key: 'uses',
                  head: t('enrol.uses'),
                  cell: (k) => t('enrol.usesLeft', { used: k.used, left: k.uses_left ?? '∞' }),
                },
                { key: 'labels', head: t('enrol.labels'), kind: 'main', cell: (k) => <Labels labels={k.labels} /> },
                { key: 'expires', head: t('tokens.expires'), cell: (k) => <Ago ms={k.expires} /> },
                { key: 'by', head: t('ui.by'), cell: (k) => <Who text={k.by} /> },
                { key: 'created', head: t('ui.created'), cell: (k) => <Ago ms={k.created} /> },
                {
                  key: 'do',
                  head: <span class="sr">{t('ui.actions')}</span>,
                  kind: 'act',
                  cell: (k) =>
                    may('administer') &&
                    stateOf(k) === 'valid' && (
                      <Button small kind="danger" onClick={() => setEnds(k)}>
                        {t('tokens.revoke')}
                      </Button>
                    ),
                },
              ]}
            />
          ) : (
            <Empty what={t('enrol.empty')} cure={t('enrol.emptyCure')} />
          )
        }
      </Show>
      {asks && (
        <NewToken
          onClose={() => setAsks(false)}
          onMade={(k) => {
            setMade(k);
            data.reload();
          }}
        />
      )}
      {made && (
        <Dialog title={t('enrol.command')} onClose={() => setMade(null)} wide>
          <Copyable text={made.command} label={t('enrol.command')} />
          <p>{t('tokens.once')}</p>
        </Dialog>
      )}
      {ends && (
        <Confirm
          title={t('tokens.revoke')}
          lead={t('tokens.revokeLead')}
          go={t('tokens.revoke')}
          onClose={() => setEnds(null)}
          onGo={async () => {
            await api.delete(`enrolment-tokens/${seg(ends.id)}`);
            data.reload();
          }}
        />
      )}
    </>
  );
}
