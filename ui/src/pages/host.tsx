// SPDX-License-Identifier: Apache-2.0
//
// One host: what protects it and is proved, what does not work and what to do about it, its policies,
// its cost, and what can be done with it.

import { useState } from 'preact/hooks';
import { api, seg, serverNow } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { Command, HealthRow, Host, HostDetail, HostPolicy, Rival } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t, tOr } from '../i18n/index.ts';
import { bytes, count, percent } from '../lib/num.ts';
import { plain } from '../lib/text.ts';
import { absolute, DAY, duration, HOUR } from '../lib/time.ts';
import { labelsOf, labelsText } from '../lib/labels.ts';
import { Button, notify, TextArea, useAction } from '../parts/controls.tsx';
import { Confirm, FormDialog } from '../parts/overlay.tsx';
import { Empty, Failure, Show } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { Ago, At, Fact, Labels, Raw, StateTag, Who } from '../parts/text.tsx';
import { go } from '../router.ts';
import { may } from './access.ts';
import { Conditions } from './conditions.tsx';
import { DefencePart } from './defence.tsx';
import { PageHead, Section } from './frame.tsx';
import { IsolationPart } from './isolation.tsx';
import { Problems } from './problems.tsx';

function Notes({ h }: { h: Host }) {
  return h.state === 'revoked' ? <p class="banner">{t('host.revokedNote')}</p> : null;
}

/** How far the host's clock is from the server's, and the way to records that carry its time. */
function Clock({ h, off }: { h: Host; off: number }) {
  if (Math.abs(off) < 10_000) return <>{t('host.clockOk')}</>;
  const at = (ms: number) => new Date(serverNow() + off + ms).toISOString();
  return (
    <>
      <span class="warn-text">{t(off > 0 ? 'host.clockAhead' : 'host.clockBehind', { time: duration(off) })}</span>{' '}
      {may('view') && (
        <a href={`/records?host=${seg(h.id)}&from=${seg(at(-DAY))}&to=${seg(at(HOUR))}`}>{t('host.clockRecords')}</a>
      )}
    </>
  );
}

function Facts({ d, onLabels }: { d: HostDetail; onLabels: () => void }) {
  const h = d.host;
  return (
    <dl class="facts facts-wide">
      <Fact name={t('ui.state')}>
        <StateTag state={h.state} table="host.state" />
        {h.reason && !h.conditions.length && (
          <div class="cell-note">
            <Raw text={h.reason} />
          </div>
        )}
      </Fact>
      <Fact name={t('host.seen')}>
        <Ago ms={h.last_seen} />
      </Fact>
      <Fact name={t('host.labels')}>
        <Labels labels={h.labels} link />{' '}
        {may('operate') && (
          <Button small kind="quiet" onClick={onLabels}>
            {t('host.labelsEdit')}
          </Button>
        )}
      </Fact>
      <Fact name={t('host.system')}>
        <Raw text={h.os} /> · <Raw text={`${h.kernel} ${h.arch}`} />
      </Fact>
      <Fact name={t('host.agent')}>
        <Raw text={h.version} />
      </Fact>
      {h.clock_ms !== null && (
        <Fact name={t('host.clock')}>
          <Clock h={h} off={h.clock_ms} />
        </Fact>
      )}
      {h.certificate_expires && (
        <Fact name={t('host.certificate')}>
          <span class="num">{absolute(h.certificate_expires)}</span>
        </Fact>
      )}
      <Fact name={t('host.cpu')}>
        <span class="num">{percent(h.cpu_permille)}</span>
      </Fact>
      <Fact name={t('host.rss')}>
        <span class="num">{bytes(h.rss)}</span>
      </Fact>
      <Fact name={t('host.enrolled')}>
        <At ms={h.enrolled} full />
      </Fact>
      <Fact name={t('host.address')}>
        <Raw text={h.address} mono />
      </Fact>
      <Fact name={t('host.bootId')}>
        <Raw text={h.boot_id} mono />
      </Fact>
      <Fact name={t('host.id')}>
        <Raw text={h.id} mono />
      </Fact>
    </dl>
  );
}

/** Who uses the identity of a cloned host. */
function Rivals({ rows }: { rows: Rival[] }) {
  return (
    <Table
      label={t('host.rivals')}
      rows={rows}
      keyOf={(r) => `${r.machine_id} ${r.boot_id}`}
      columns={[
        { key: 'name', head: t('ui.name'), kind: 'main', cell: (r) => <Raw text={r.name} /> },
        { key: 'address', head: t('host.address'), cell: (r) => <Raw text={r.address} mono /> },
        { key: 'machine', head: t('host.machineId'), cell: (r) => <Raw text={r.machine_id} mono /> },
        { key: 'boot', head: t('host.bootId'), cell: (r) => <Raw text={r.boot_id} mono /> },
        { key: 'seen', head: t('hosts.head.seen'), cell: (r) => <Ago ms={r.last_seen} /> },
      ]}
    />
  );
}

const order: Record<string, number> = { failed: 0, recording: 1, attached: 2, unavailable: 3, untestable: 4, off: 5, proved: 6 };

function Hooks({ rows }: { rows: HealthRow[] }) {
  if (!rows.length) return <Empty what={t('host.hooksNone')} />;
  const n = (state: string) => rows.filter((r) => r.state === state).length;
  const sorted = [...rows].sort((a, b) => (order[a.state] ?? 0) - (order[b.state] ?? 0));
  return (
    <>
      <p>
        {t('host.hooksSummary', {
          proved: n('proved'),
          untestable: n('untestable'),
          unproved: n('attached') + n('recording'),
          failed: n('failed'),
          off: n('off'),
          unavailable: n('unavailable'),
        })}
      </p>
      <Table
        label={t('host.hooks')}
        rows={sorted}
        keyOf={(r) => r.id}
        columns={[
          {
            key: 'id',
            head: t('host.hook'),
            cell: (r) => (
              <>
                <code>{plain(r.id)}</code>
              </>
            ),
          },
          { key: 'state', head: t('ui.state'), cell: (r) => <StateTag state={r.state} table="hook.state" /> },
          { key: 'proved', head: t('host.proved'), cell: (r) => <Ago ms={r.proved_ms} /> },
          {
            key: 'reason',
            head: t('ui.reason'),
            kind: 'main',
            cell: (r) => (
              <>
                {r.reason ? <Raw text={r.reason} /> : <span class="faint">–</span>}
                {r.cure && (
                  <div>
                    <b>{t('ui.cure')}:</b> <Raw text={r.cure} />
                  </div>
                )}
              </>
            ),
          },
        ]}
      />
    </>
  );
}

function Policies({ rows }: { rows: HostPolicy[] }) {
  if (!rows.length) return <Empty what={t('host.policiesNone')} cure={t('host.policiesNoneCure')} />;
  return (
    <Table
      label={t('host.policies')}
      rows={rows}
      keyOf={(p) => p.policy}
      columns={[
        {
          key: 'name',
          head: t('ui.name'),
          kind: 'main',
          cell: (p) => (
            <>
              <a href={`/policies?name=${seg(p.policy)}`}>
                <Raw text={p.policy} />
              </a>
            </>
          ),
        },
        { key: 'version', head: t('host.version'), kind: 'num', cell: (p) => count(p.version) },
        { key: 'mode', head: t('host.mode'), cell: (p) => t(`rollout.mode.${p.mode}`) },
        { key: 'state', head: t('ui.state'), cell: (p) => <StateTag state={p.state} table="bundle" /> },
      ]}
    />
  );
}

function Losses({ losses }: { losses: Record<string, unknown> }) {
  const rows = Object.entries(losses).flatMap(([k, n]) => (typeof n === 'number' && n > 0 ? [[k, n] as const] : []));
  if (!rows.length) return <Empty what={t('host.lossesNone')} />;
  return (
    <dl class="facts">
      {rows.map(([name, n]) => (
        <Fact name={plain(name).replaceAll('_', ' ')}>
          <b class="num warn-text">{count(n)}</b>
        </Fact>
      ))}
    </dl>
  );
}

/** What agents do when they are told to; the window of the defence has its own buttons. */
const commandNames = ['self-test', 'policy-reload'] as const;

function Commands({ id }: { id: string }) {
  const data = useData(`commands ${id}`, (signal) => api.get<Page<Command>>(`hosts/${seg(id)}/commands`, undefined, signal), 5000);
  const action = useAction();
  const send = (name: string) =>
    void action.run(async () => {
      await api.post(`hosts/${seg(id)}/commands`, { name, args: {} });
      notify(t('host.sent'));
      data.reload();
    });
  return (
    <>
      {may('operate') && (
        <div class="button-row">
          {commandNames.map((name) => (
            <Button key={name} disabled={action.busy} onClick={() => send(name)}>
              {t(`host.cmd.${name}`)}
            </Button>
          ))}
        </div>
      )}
      {action.error && <Failure error={action.error} />}
      <Show data={data}>
        {({ items }) =>
          items.length ? (
            <Table
              label={t('host.commands')}
              rows={items}
              keyOf={(c) => c.id}
              columns={[
                { key: 'name', head: t('host.command'), cell: (c) => tOr(`host.cmd.${c.name}`, plain(c.name)) },
                { key: 'status', head: t('ui.state'), cell: (c) => <StateTag state={c.status} table="cmd" /> },
                { key: 'created', head: t('ui.created'), cell: (c) => <Ago ms={c.created} /> },
                { key: 'by', head: t('ui.by'), cell: (c) => <Who text={c.by} /> },
                {
                  key: 'result',
                  head: t('host.result'),
                  kind: 'main',
                  cell: (c) => <Raw text={c.error || (c.result ? JSON.stringify(c.result) : '')} max={300} />,
                },
              ]}
            />
          ) : (
            <Empty what={t('host.commandsNone')} />
          )
        }
      </Show>
    </>
  );
}

function LabelsDialog({ h, onClose, onDone }: { h: Host; onClose: () => void; onDone: () => void }) {
  const [text, setText] = useState(labelsText(h.labels));
  const parsed = labelsOf(text);
  return (
    <FormDialog
      title={t('host.labelsEdit')}
      go={t('ui.save')}
      disabled={parsed.bad > 0}
      onClose={onClose}
      onGo={async () => {
        await api.patch(`hosts/${seg(h.id)}`, { labels: parsed.labels });
        onDone();
      }}
    >
      <TextArea
        label={t('host.labels')}
        hint={t('host.labelsHint')}
        rows={5}
        mono
        value={text}
        onValue={setText}
        error={parsed.bad ? t('host.labelsBad', { line: parsed.bad }) : null}
      />
    </FormDialog>
  );
}

export function HostPage({ id }: { id: string }) {
  const data = useData(`host ${id}`, (signal) => api.get<HostDetail>(`hosts/${seg(id)}`, undefined, signal), 2000);
  const [asks, setAsks] = useState<'' | 'labels' | 'revoke' | 'delete'>('');
  const close = () => setAsks('');
  if (!data.value)
    return (
      <>
        <PageHead title={t('hosts.title')} />
        <Show data={data}>{() => null}</Show>
      </>
    );
  return (
    <Show data={data} lines={10}>
      {(d) => {
        const h = d.host;
        return (
        <>
          <PageHead title={<Raw text={h.name} />}>
            <a class="button" href="/hosts">
              {t('host.back')}
            </a>
            {may('view') && (
              <a class="button" href={`/records?host=${seg(h.id)}`}>
                {t('host.recordsAll')}
              </a>
            )}
            {may('view') && (
              <>
                <a class="button" href={`/hosts/${seg(h.id)}/processes`}>
                  {t('procs.title')}
                </a>
                <a class="button" href={`/hosts/${seg(h.id)}/processes?view=live`}>
                  {t('procs.liveTree')}
                </a>
                <a class="button" href={`/hosts/${seg(h.id)}/scheduling`}>
                  {t('sched.title')}
                </a>
              </>
            )}
            {may('administer') && h.state !== 'revoked' && (
              <Button kind="danger" onClick={() => setAsks('revoke')}>
                {t('host.revoke')}
              </Button>
            )}
            {may('administer') && (h.state === 'revoked' || h.state === 'cloned') && (
              <Button kind="danger" onClick={() => setAsks('delete')}>
                {t('host.delete')}
              </Button>
            )}
          </PageHead>
          <Notes h={h} />
          {h.conditions.length > 0 && (
            <Section title={t('host.conditions')}>
              <Conditions h={h} />
            </Section>
          )}
          {d.rivals.length > 0 && (
            <Section title={t('host.rivals')} lead={t('host.rivalsLead')}>
              <Rivals rows={d.rivals} />
            </Section>
          )}
          <Facts d={d} onLabels={() => setAsks('labels')} />
          <Section title={t('host.problems')}>
            {d.problems.length ? <Problems rows={d.problems} /> : <Empty what={t('host.problemsNone')} />}
          </Section>
          <IsolationPart detail={d} reload={data.reload} />
          <DefencePart detail={d} reload={data.reload} />
          <Section title={t('host.policies')}>
            <Policies rows={d.policies} />
            {d.own_policies.length > 0 && (
              <p class="below-table">
                {t('host.ownPolicies')}{' '}
                {d.own_policies.map((p, i) => (
                  <>
                    {i > 0 && ', '}
                    <Raw text={p.file} mono /> ({t(`host.ownMode.${p.mode}`)})
                  </>
                ))}
              </p>
            )}
          </Section>
          <Section title={t('host.hooks')} lead={t('host.hooksLead')}>
            <Hooks rows={d.health} />
          </Section>
          <div class="columns">
            <Section title={t('host.losses')}>
              <Losses losses={d.losses} />
            </Section>
            {may('view') && (
              <Section title={t('host.commands')}>
                <Commands id={h.id} />
              </Section>
            )}
          </div>
          {asks === 'labels' && <LabelsDialog h={h} onClose={close} onDone={data.reload} />}
          {asks === 'revoke' && (
            <Confirm
              title={t('host.revoke')}
              lead={t('host.revokeLead')}
              go={t('host.revoke')}
              word={plain(h.name, 60)}
              onClose={close}
              onGo={async () => {
                await api.post(`hosts/${seg(h.id)}/revoke`);
                data.reload();
              }}
            />
          )}
          {asks === 'delete' && (
            <Confirm
              title={t('host.delete')}
              lead={t('host.deleteLead')}
              go={t('host.delete')}
              onClose={close}
              onGo={async () => {
                await api.delete(`hosts/${seg(h.id)}`);
                go('/hosts');
              }}
            />
          )}
        </>
        );
      }}
    </Show>
  );
}
