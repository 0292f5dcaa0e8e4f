// SPDX-License-Identifier: Apache-2.0
//
// Where alerts are sent.

import { useState } from 'preact/hooks';
import { api, seg } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { Channel, ChannelTest } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t, tOr } from '../i18n/index.ts';
import { severityKey } from '../lib/ocsf.ts';
import { plain } from '../lib/text.ts';
import { Button, Field, notify, Select, useAction } from '../parts/controls.tsx';
import { Confirm, FormDialog } from '../parts/overlay.tsx';
import { Empty, Failure, Show } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { Ago, Path, Raw } from '../parts/text.tsx';
import { may } from './access.ts';
import { PageHead } from './frame.tsx';

const kinds = ['webhook', 'email', 'syslog'] as const;

function NewChannel({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const [kind, setKind] = useState<(typeof kinds)[number]>('webhook');
  const [name, setName] = useState('');
  const [target, setTarget] = useState('');
  const [secret, setSecret] = useState('');
  const [severity, setSeverity] = useState('3');
  return (
    <FormDialog
      title={t('channels.new')}
      go={t('ui.create')}
      disabled={!name.trim() || !target.trim()}
      onClose={onClose}
      onGo={async () => {
        await api.post('channels', { kind, name: name.trim(), target: target.trim(), severity: Number(severity), ...(secret ? { secret } : {}) });
        onDone();
      }}
    >
      <Select label={t('channels.kind')} value={kind} onValue={setKind} options={kinds.map((k) => [k, t(`channels.kind.${k}`)] as const)} />
      <Field label={t('ui.name')} value={name} onInput={(e) => setName(e.currentTarget.value)} />
      <Field label={t('channels.target')} value={target} spellcheck={false} onInput={(e) => setTarget(e.currentTarget.value)} />
      <Field
        label={`${t('channels.secret')} (${t('ui.optional')})`}
        type="password"
        autocomplete="off"
        value={secret}
        onInput={(e) => setSecret(e.currentTarget.value)}
      />
      <Select
        label={t('channels.severity')}
        value={severity}
        onValue={setSeverity}
        options={['1', '2', '3', '4', '5'].map((n) => [n, t(severityKey(Number(n)))] as const)}
      />
    </FormDialog>
  );
}

function Do({ c, onChanged, onDelete }: { c: Channel; onChanged: () => void; onDelete: () => void }) {
  const action = useAction();
  const test = () =>
    void action.run(async () => {
      const r = await api.post<ChannelTest>(`channels/${seg(c.id)}/test`);
      notify(r.sent ? t('channels.tested') : plain(r.error ?? ''), !r.sent);
    });
  const toggle = () =>
    void action.run(async () => {
      await api.patch(`channels/${seg(c.id)}`, { enabled: !c.enabled });
      onChanged();
    });
  return (
    <>
      <span class="button-row">
        <Button small onClick={test} disabled={action.busy}>
          {t('channels.test')}
        </Button>
        <Button small onClick={toggle} disabled={action.busy}>
          {t(c.enabled ? 'channels.turnOff' : 'channels.turnOn')}
        </Button>
        <Button small kind="danger" onClick={onDelete}>
          {t('ui.delete')}
        </Button>
      </span>
      {action.error && <Failure error={action.error} />}
    </>
  );
}

export function ChannelsPage() {
  const data = useData('channels', (signal) => api.get<Page<Channel>>('channels', undefined, signal), 20_000);
  const [asks, setAsks] = useState(false);
  const [ends, setEnds] = useState<Channel | null>(null);
  return (
    <>
      <PageHead title={t('channels.title')} lead={t('channels.lead')}>
        {may('administer') && (
          <Button kind="main" onClick={() => setAsks(true)}>
            {t('channels.new')}
          </Button>
        )}
      </PageHead>
      <Show data={data} lines={4}>
        {({ items }) =>
          items.length ? (
            <Table
              label={t('channels.list')}
              rows={items}
              keyOf={(c) => c.id}
              columns={[
                { key: 'name', head: t('ui.name'), cell: (c) => <Raw text={c.name} /> },
                { key: 'kind', head: t('channels.kind'), cell: (c) => tOr(`channels.kind.${c.kind}`, c.kind) },
                { key: 'target', head: t('channels.target'), kind: 'main', cell: (c) => <Path text={c.target} /> },
                { key: 'severity', head: t('channels.severity'), cell: (c) => t(severityKey(c.severity)) },
                {
                  key: 'state',
                  head: t('ui.state'),
                  cell: (c) => (
                    <>
                      {t(c.enabled ? 'channels.on' : 'channels.off')}
                      {c.last_error && (
                        <div class="cell-note bad-text">
                          <Raw text={c.last_error} max={160} />
                        </div>
                      )}
                    </>
                  ),
                },
                {
                  key: 'last',
                  head: t('channels.last'),
                  cell: (c) => (
                    <>
                      <Ago ms={c.last_sent} />
                      <div class={c.failed + c.dropped ? 'cell-note warn-text' : 'cell-note'}>
                        {t('channels.counts', { sent: c.sent, failed: c.failed + c.dropped })}
                      </div>
                    </>
                  ),
                },
                {
                  key: 'do',
                  head: <span class="sr">{t('ui.actions')}</span>,
                  kind: 'act',
                  cell: (c) => may('administer') && <Do c={c} onChanged={data.reload} onDelete={() => setEnds(c)} />,
                },
              ]}
            />
          ) : (
            <Empty what={t('channels.empty')} cure={t('channels.emptyCure')} />
          )
        }
      </Show>
      {asks && <NewChannel onClose={() => setAsks(false)} onDone={data.reload} />}
      {ends && (
        <Confirm
          title={t('ui.delete')}
          lead={t('channels.deleteLead', { name: ends.name })}
          go={t('ui.delete')}
          onClose={() => setEnds(null)}
          onGo={async () => {
            await api.delete(`channels/${seg(ends.id)}`);
            data.reload();
          }}
        />
      )}
    </>
  );
}
