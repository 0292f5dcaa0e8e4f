// SPDX-License-Identifier: Apache-2.0
//
// What a person on duty wants to know first: does everything protect itself, what was refused, what
// waits for a decision, and was anything lost.

import { useState } from 'preact/hooks';
import { api } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { Alert, AlertTimeline, EnrolmentTokenMade, Host, Overview, Rollup, Top as TopAnswer } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { bytes, count, short } from '../lib/num.ts';
import { outcomeKey, type Outcome } from '../lib/ocsf.ts';
import { DAY, HOUR, stepFor } from '../lib/time.ts';
import { Chart, Incomplete } from '../parts/chart.tsx';
import { Button, Copyable, Segments, useAction } from '../parts/controls.tsx';
import { Empty, Failure, Show } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { Ago, OutcomeTag, Raw, StateTag } from '../parts/text.tsx';
import { may } from './access.ts';
import { PageHead, Section } from './frame.tsx';
import { sentence } from './sentence.ts';

const shownOutcomes: Outcome[] = ['not-held', 'denied', 'would-deny', 'audited'];

function Start() {
  const [token, setToken] = useState<EnrolmentTokenMade | null>(null);
  const action = useAction();
  const make = () =>
    action.run(async () => setToken(await api.post<EnrolmentTokenMade>('enrolment-tokens', { uses: 100, expires_in: DAY })));
  return (
    <Empty what={t('overview.start')} cure={t('overview.startText')}>
      {token ? (
        <>
          <p>{t('enrol.command')}</p>
          <Copyable text={token.command} label={t('enrol.command')} />
        </>
      ) : may('administer') ? (
        <Button kind="main" onClick={() => void make()} disabled={action.busy}>
          {t('overview.startButton')}
        </Button>
      ) : (
        <p>{t('overview.startRole')}</p>
      )}
      {action.error && <Failure error={action.error} />}
    </Empty>
  );
}

function HostsTile({ o }: { o: Overview }) {
  const h = o.hosts;
  const bad = h.total - h.ok;
  const states: [string, number][] = [
    ['degraded', h.degraded],
    ['silent', h.silent],
    ['cloned', h.cloned],
    ['revoked', h.revoked],
  ];
  return (
    <div class={`tile ${bad ? 'tile-warn' : 'tile-good'}`}>
      <h2>{t('overview.hosts')}</h2>
      <p class="tile-figure">
        <a href="/hosts">{short(h.total)}</a>
      </p>
      <p>{bad ? t('overview.hostsBad', { bad, n: h.total }) : t('overview.hostsOk', { n: h.total })}</p>
      <ul class="tile-list">
        {states
          .filter(([, n]) => n > 0)
          .map(([state, n]) => (
            <li key={state}>
              <a href={`/hosts?state=${state}`}>
                <StateTag state={state} table="host.state" /> <b class="num">{count(n)}</b>
              </a>
            </li>
          ))}
      </ul>
    </div>
  );
}

function DayTile({ o }: { o: Overview }) {
  const rows: [Outcome, number][] = [
    ['denied', o.denials_24h],
    ['would-deny', o.would_deny_24h],
    ['audited', o.audited_24h],
  ];
  return (
    <div class="tile">
      <h2>{t('overview.day')}</h2>
      <ul class="tile-counts">
        {rows.map(([outcome, n]) => (
          <li key={outcome}>
            <a href={`/records?outcome=${outcome}`}>
              <b class="num">{short(n)}</b> <OutcomeTag outcome={outcome} />
            </a>
          </li>
        ))}
      </ul>
      <p class="faint">{t('overview.ingest', { n: short(o.ingest.per_s) })}</p>
    </div>
  );
}

function AlertsTile({ o }: { o: Overview }) {
  return (
    <div class={`tile ${o.alerts.new ? 'tile-bad' : 'tile-good'}`}>
      <h2>{t('overview.alertsOpen')}</h2>
      <p class="tile-figure">
        <a href="/alerts?status=new">{short(o.alerts.new)}</a>
      </p>
      <p>
        {o.alerts.new === 0 && t('overview.alertsNone')}{' '}
        {o.alerts.acknowledged > 0 && (
          <a href="/alerts?status=acknowledged">{t('overview.alertsAck', { n: o.alerts.acknowledged })}</a>
        )}
      </p>
    </div>
  );
}

function LossTile({ o }: { o: Overview }) {
  const { agents, spool, server } = o.losses;
  const sum = agents + spool + server;
  return (
    <div class={`tile ${sum ? 'tile-bad' : 'tile-good'}`}>
      <h2>{t('overview.losses')}</h2>
      <p class="tile-figure">{short(sum)}</p>
      {sum === 0 && <p>{t('overview.lossesNone')}</p>}
      {agents > 0 && <p>{t('overview.lossAgents', { n: agents })}</p>}
      {spool > 0 && <p>{t('overview.lossSpool', { n: spool })}</p>}
      {server > 0 && <p>{t('overview.lossServer', { n: server })}</p>}
      <p class="faint">
        {o.store.oldest_ms ? (
          <>
            {t('overview.stored', { size: bytes(o.store.bytes) })} <Ago ms={o.store.oldest_ms} />
          </>
        ) : (
          t('overview.storeEmpty')
        )}
      </p>
    </div>
  );
}

function Over({ span }: { span: number }) {
  const step = stepFor(span, 96);
  const data = useData(
    `rollup ${span}`,
    (signal) => api.get<Rollup>('rollup', { by: 'outcome', from: `-${span / HOUR}h`, step }, signal),
    60_000,
  );
  return (
    <Show data={data} lines={6}>
      {(r) => (
        <Chart
          label={t('overview.over')}
          from={r.from}
          step={r.step}
          completeFrom={r.complete_from}
          height={200}
          series={shownOutcomes
            .filter((o) => o !== 'not-held' || r.series.some((s) => s.key === o))
            .map((o) => ({
            key: o,
            label: t(outcomeKey[o]),
            colour: o,
            points: r.series.find((s) => s.key === o)?.points ?? [],
          }))}
        />
      )}
    </Show>
  );
}

function AlertsOver({ span }: { span: number }) {
  const data = useData(
    `alerts-over ${span}`,
    (signal) =>
      api.get<AlertTimeline>('alerts/timeline', { from: `-${span / HOUR}h`, step: stepFor(span, 96) }, signal),
    60_000,
  );
  return (
    <Show data={data} lines={3}>
      {(a) => (
        <Chart
          label={t('overview.alertsOver')}
          from={a.from}
          step={a.step}
          height={100}
          series={[{ key: 'alerts', label: t('overview.alertsFirst'), colour: 'accent', points: a.points }]}
        />
      )}
    </Show>
  );
}

function Top({ by, span }: { by: 'rule' | 'program'; span: number }) {
  const data = useData(
    `top ${by} ${span}`,
    (signal) => api.get<TopAnswer>('top', { by, from: `-${span / HOUR}h`, limit: 8 }, signal),
    60_000,
  );
  const name = t(by === 'rule' ? 'overview.rule' : 'overview.program');
  return (
    <Show data={data}>
      {({ items, complete_from, error_max }) => {
        if (!items.length) return <Empty what={t('overview.topNone')} />;
        const most = Math.max(...items.map((i) => i.count), 1);
        return (
          <>
          <Incomplete from={complete_from} />
          {error_max !== undefined && error_max > 0 && <p class="warn-text">{t('ui.errorMax', { n: error_max })}</p>}
          <Table
            label={name}
            plain
            rows={items}
            keyOf={(i) => i.key}
            columns={[
              {
                key: 'name',
                head: name,
                kind: 'main',
                cell: (i) => (
                  <a class="bar-cell" data-item href={`/records?from=-${span / HOUR}h&${by}=${encodeURIComponent(i.key)}`}>
                    <span class="bar" style={{ width: `${(100 * i.count) / most}%` }} aria-hidden="true" />
                    <Raw text={i.label || i.key} mono={by === 'program'} />
                  </a>
                ),
              },
              { key: 'n', head: t('overview.count'), kind: 'num', cell: (i) => count(i.count) },
            ]}
          />
          </>
        );
      }}
    </Show>
  );
}

function Attention() {
  const data = useData('attention', (signal) => api.get<Page<Host>>('hosts', { state: 'degraded,silent,cloned', limit: 6 }, signal), 60_000);
  const bad = data.value?.items.filter((h) => h.state !== 'ok' && h.state !== 'revoked') ?? [];
  if (!bad.length) return null;
  return (
    <Section title={t('overview.attention')}>
      <ul class="brief">
        {bad.map((h) => (
          <li key={h.id} data-line>
            <a href={`/hosts/${encodeURIComponent(h.id)}`} data-item>
              <Raw text={h.name} />
            </a>
            <StateTag state={h.state} table="host.state" />
            <span class="brief-note">
              <Raw text={h.reason} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function NewAlerts() {
  const data = useData(
    may('view') ? 'new-alerts' : null,
    (signal) => api.get<Page<Alert>>('alerts', { status: 'new', limit: 6 }, signal),
    60_000,
  );
  if (!data.value?.items.length) return null;
  return (
    <Section title={t('overview.newAlerts')} actions={<a href="/alerts">{t('nav.alerts')}</a>}>
      <ul class="brief">
        {data.value.items.map((a) => (
          <li key={a.id} data-line>
            <a href={`/alerts?alert=${encodeURIComponent(a.id)}`} data-item>
              <Raw text={sentence(a, a.title)} max={160} />
            </a>
            <span class="brief-note">
              <Raw text={a.host_name} /> · {count(a.count)}× · <Ago ms={a.last_seen} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

type Span = '1' | '24' | '168';

export function OverviewPage() {
  const data = useData('overview', (signal) => api.get<Overview>('overview', undefined, signal), 15_000);
  const [hours, setHours] = useState<Span>('24');
  const span = Number(hours) * HOUR;
  return (
    <>
      <PageHead title={t('overview.title')} />
      <Show data={data} lines={6}>
        {(o) =>
          o.hosts.total === 0 ? (
            <Start />
          ) : (
            <>
              <div class="tiles">
                <HostsTile o={o} />
                <AlertsTile o={o} />
                <DayTile o={o} />
                <LossTile o={o} />
              </div>
              {may('view') && (
                <>
                  <Section
                    title={t('overview.over')}
                    actions={
                      <Segments
                        label={t('overview.range')}
                        value={hours}
                        onValue={setHours}
                        options={[
                          ['1', t('records.range1h')],
                          ['24', t('records.range24h')],
                          ['168', t('records.range7d')],
                        ]}
                      />
                    }
                  >
                    <Over span={span} />
                  </Section>
                  <Section title={t('overview.alertsOver')}>
                    <AlertsOver span={span} />
                  </Section>
                  <div class="columns">
                    <NewAlerts />
                    <Attention />
                    <Section title={t('overview.topRules')}>
                      <Top by="rule" span={span} />
                    </Section>
                    <Section title={t('overview.topPrograms')}>
                      <Top by="program" span={span} />
                    </Section>
                  </div>
                </>
              )}
              {!may('view') && <Attention />}
            </>
          )
        }
      </Show>
    </>
  );
}
