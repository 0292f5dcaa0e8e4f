// SPDX-License-Identifier: Apache-2.0
//
// Who talks to whom. Of one host what it says itself while somebody looks (connections, a map, questions about names, dropped packets);
// of all of them, or of one, what records say.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api, seg, serverNow } from '../api/client.ts';
import { useData, useList, useLive } from '../api/data.ts';
import type { Event as EventRow, Host, LiveDrop, LiveEdge, LiveFlow, LiveNetwork, LiveQuestion } from '../api/types.ts';
import { events_params } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t, tOr } from '../i18n/index.ts';
import { span } from '../lib/answers.ts';
import { empty, toQuery, toRequest, withValue } from '../lib/filters.ts';
import { baseName, edgeIs, endText, findFlows, flowKey, isBadEnd, peerOf, protocolName, rates, serviceText, tabOf, TABS, type Tab } from '../lib/network.ts';
import { bytes, count } from '../lib/num.ts';
import { plain } from '../lib/text.ts';
import { Segments, Select } from '../parts/controls.tsx';
import { NetMapView } from '../parts/netmap.tsx';
import { ProcessLink } from '../parts/proctree.tsx';
import { SearchBox } from '../parts/search.tsx';
import { Empty, Failure, Loading, Show } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { Ago, Raw } from '../parts/text.tsx';
import { go, usePlace, withQuery } from '../router.ts';
import { PageHead, Section } from './frame.tsx';
import { learnHosts } from './hostnames.ts';
import { LiveSays, Told } from './livesays.tsx';
import { RecordDrawer } from './record.tsx';
import { RecordRows } from './rows.tsx';

const EVERY = 3000;
const RECORDS = 100;
const AHEAD = 600_000;

function Program({ host, process, program, pid, container }: { host: string; process: string | null; program: string | null; pid: number | null; container: string | null }) {
  return (
    <>
      <ProcessLink host={host} uid={process} title={plain(program ?? '', 300)}>
        <Raw text={baseName(program) || '?'} mono max={60} />
      </ProcessLink>{' '}
      <span class="faint num">{pid ?? ''}</span>
      {container && <span class="faint"> {t('proc.mark.container', { id: plain(container, 12) })}</span>}
    </>
  );
}

function Name({ name, peer }: { name: string | null; peer: string | null }) {
  return (
    <>
      {name && <Raw text={name} max={80} />}
      {name && peer && ', '}
      {peer && (
        <>
          <Raw text={baseName(peer)} mono max={40} /> <span class="faint">{t('net.here')}</span>
        </>
      )}
    </>
  );
}

function StateOf({ f }: { f: LiveFlow }) {
  if (f.ended === null) return <>{tOr(`net.state.${f.type}`, f.type)}</>;
  return <span class={isBadEnd(f.ended) ? 'net-bad' : 'faint'}>{tOr(`net.end.${f.ended}`, plain(f.ended, 40))}</span>;
}

/** The answer before, for rates. */
function useBefore(answer: LiveNetwork): LiveNetwork | null {
  const last = useRef<{ now: LiveNetwork; before: LiveNetwork | null }>({ now: answer, before: null });
  if (last.current.now !== answer) last.current = { now: answer, before: last.current.now };
  return last.current.before;
}

function Flows({ answer, host, find }: { answer: LiveNetwork; host: string; find: string }) {
  const before = useBefore(answer);
  const rows = useMemo(() => findFlows(answer.flows, find), [answer, find]);
  const speed = useMemo(
    () => rates(answer.flows, before?.flows ?? [], before ? (answer.live.answered ?? 0) - (before.live.answered ?? 0) : 0),
    [answer, before],
  );
  const rate = (f: LiveFlow) => {
    const n = speed.get(flowKey(f));
    return n === undefined ? '' : `${bytes(n)}/s`;
  };
  if (!rows.length) return <Empty what={t('net.none.flows')} />;
  return (
    <div class="net-table">
      <Table
        label={t('net.tab.flows')}
        rows={rows}
        keyOf={flowKey}
        columns={[
          { key: 'program', head: t('net.head.program'), kind: 'name', cell: (f) => <Program host={host} {...f} /> },
          { key: 'protocol', head: t('net.head.protocol'), cell: (f) => protocolName(f.protocol) },
          { key: 'here', head: t('net.head.here'), cell: (f) => <Raw text={endText(f.local, f.local_port)} mono max={60} /> },
          {
            key: 'there',
            head: t('net.head.there'),
            cell: (f) =>
              f.remote && (
                <>
                  <span class="faint">{t(f.incoming ? 'net.in' : 'net.out')}</span> <Raw text={endText(f.remote, f.remote_port)} mono max={60} />
                </>
              ),
          },
          { key: 'name', head: t('net.head.name'), cell: (f) => <Name name={f.name} peer={f.peer_program} /> },
          { key: 'state', head: t('net.head.state'), cell: (f) => <StateOf f={f} /> },
          { key: 'out', head: t('net.head.out'), kind: 'num', cell: (f) => (f.bytes_out === null ? '' : bytes(f.bytes_out)) },
          { key: 'in', head: t('net.head.in'), kind: 'num', cell: (f) => (f.bytes_in === null ? '' : bytes(f.bytes_in)) },
          { key: 'rate', head: t('net.head.rate'), kind: 'num', cell: rate },
          { key: 'rtt', head: t('net.head.rtt'), kind: 'num', cell: (f) => (f.rtt_us === null ? '' : span(f.rtt_us * 1000)) },
          { key: 'resent', head: t('net.head.resent'), kind: 'num', cell: (f) => (f.retransmits ? count(f.retransmits) : '') },
        ]}
      />
    </div>
  );
}

function Answer({ q }: { q: LiveQuestion }) {
  if (q.rcode === null) return <span class="net-bad">{t('net.unanswered')}</span>;
  if (q.answers.length) return <Raw text={q.answers.join(', ')} mono max={300} />;
  return <span class={q.rcode === 'NoError' ? 'faint' : 'net-bad'}>{plain(q.rcode, 40)}</span>;
}

function Questions({ answer, host }: { answer: LiveNetwork; host: string }) {
  const rows = answer.questions;
  if (!rows.length) return <Empty what={t('net.none.dns')} />;
  return (
    <Table
      label={t('net.tab.dns')}
      rows={rows.map((q, i) => ({ q, i }))}
      keyOf={({ i }) => String(i)}
      columns={[
        { key: 'time', head: t('net.head.time'), cell: ({ q }) => <Ago ms={q.time} /> },
        { key: 'program', head: t('net.head.program'), kind: 'name', cell: ({ q }) => <Program host={host} {...q} /> },
        { key: 'name', head: t('net.head.name'), kind: 'main', cell: ({ q }) => <Raw text={q.name || '.'} max={120} /> },
        { key: 'type', head: t('net.head.type'), cell: ({ q }) => plain(q.type, 20) },
        { key: 'answer', head: t('net.head.answer'), cell: ({ q }) => <Answer q={q} /> },
        { key: 'took', head: t('net.head.took'), kind: 'num', cell: ({ q }) => (q.duration_us === null ? '' : span(q.duration_us * 1000)) },
        { key: 'server', head: t('net.head.server'), cell: ({ q }) => <Raw text={q.server} mono max={60} /> },
      ]}
    />
  );
}

function Drops({ answer }: { answer: LiveNetwork }) {
  if (!answer.drops.length) return <Empty what={t('net.none.drops')} />;
  return (
    <Table
      label={t('net.tab.drops')}
      rows={answer.drops}
      keyOf={(d: LiveDrop) => [d.reason, d.place, d.protocol, d.service].join(' ')}
      columns={[
        { key: 'reason', head: t('net.head.reason'), kind: 'name', cell: (d) => (d.reason ? <Raw text={d.reason} mono max={60} /> : <span class="faint">{t('net.noReason')}</span>) },
        { key: 'packets', head: t('net.head.packets'), kind: 'num', cell: (d) => count(d.packets) },
        { key: 'bytes', head: t('net.head.bytes'), kind: 'num', cell: (d) => bytes(d.bytes) },
        { key: 'last', head: t('net.head.last'), cell: (d) => <Ago ms={d.last} /> },
        { key: 'protocol', head: t('net.head.protocol'), cell: (d) => protocolName(d.protocol) },
        { key: 'port', head: t('net.head.port'), cell: serviceText },
        { key: 'such', head: t('net.head.such'), kind: 'main', cell: (d) => d.protocol > 0 && <Raw text={`${d.source ?? ''} → ${d.destination ?? ''}`} mono max={120} /> },
        { key: 'place', head: t('net.head.place'), cell: (d) => <Raw text={d.place} mono max={64} /> },
      ]}
    />
  );
}

function Edges({ rows }: { rows: LiveEdge[] }) {
  return (
    <Table
      label={t('net.tab.map')}
      rows={rows}
      keyOf={(e) => [e.program, e.peer_program, e.name, e.peer, e.port, e.protocol, e.incoming].join(' ')}
      columns={[
        { key: 'program', head: t('net.head.program'), kind: 'name', cell: (e) => <Raw text={e.program} mono max={80} /> },
        {
          key: 'with',
          head: t('net.head.with'),
          kind: 'main',
          cell: (e) => (
            <>
              <span class="faint">{t(e.incoming ? 'net.in' : 'net.out')}</span> <Raw text={peerOf(e).text} mono max={80} />{' '}
              {peerOf(e).kind === 'program' ? <span class="faint">{t('net.here')}</span> : e.name && <Raw text={e.peer} mono max={60} />}
            </>
          ),
        },
        { key: 'port', head: t('net.head.port'), cell: (e) => `${protocolName(e.protocol)} ${e.port || ''}` },
        { key: 'flows', head: t('net.head.flows'), kind: 'num', cell: (e) => count(e.flows) },
        { key: 'failed', head: t('net.head.failed'), kind: 'num', cell: (e) => (e.failed ? <span class="net-bad">{count(e.failed)}</span> : '') },
        { key: 'out', head: t('net.head.out'), kind: 'num', cell: (e) => bytes(e.bytes_out) },
        { key: 'in', head: t('net.head.in'), kind: 'num', cell: (e) => bytes(e.bytes_in) },
        { key: 'last', head: t('net.head.last'), cell: (e) => <Ago ms={e.last} /> },
      ]}
    />
  );
}

function Talk({ answer }: { answer: LiveNetwork }) {
  const [chosen, choose] = useState('');
  const rows = useMemo(
    () => answer.edges.filter((e) => edgeIs(e, chosen)).sort((a, b) => b.bytes_in + b.bytes_out - a.bytes_in - a.bytes_out),
    [answer, chosen],
  );
  if (!answer.edges.length) return <Empty what={t('net.none.map')} />;
  return (
    <>
      <NetMapView edges={answer.edges} chosen={chosen} onChoose={choose} />
      <Edges rows={rows} />
    </>
  );
}

function Body({ tab, answer, host, find }: { tab: Tab; answer: LiveNetwork; host: string; find: string }) {
  if (tab === 'map') return <Talk answer={answer} />;
  if (tab === 'dns') return <Questions answer={answer} host={host} />;
  if (tab === 'drops') return <Drops answer={answer} />;
  return <Flows answer={answer} host={host} find={find} />;
}

const leads = { flows: 'net.nowFlows', map: 'net.nowMap', dns: 'net.nowDns', drops: 'net.nowDrops' } as const;

function Now({ host, tab, find }: { host: string; tab: Tab; find: string }) {
  const [paused, setPaused] = useState(false);
  const data = useLive(
    `network ${host} ${tab}`,
    (signal) => api.get<LiveNetwork>(`hosts/${seg(host)}/live/network`, { what: tab }, signal),
    () => EVERY,
    paused,
  );
  return (
    <Section title={t('net.now')} lead={t(leads[tab])}>
      {tab === 'flows' && (
        <SearchBox label={t('net.find')} hint={t('net.findHint')} text={find} onSearch={(text) => go(withQuery({ find: text || null }), true)} />
      )}
      <Show data={data} lines={8}>
        {(answer) => (
          <>
            <LiveSays live={answer.live} loading={data.loading} every={EVERY} paused={paused} onPause={setPaused} onAgain={data.reload} />
            {answer.answered && !answer.looks ? (
              <div class="banner" role="status">
                <p>{t('net.off')}</p>
                <Told {...answer} />
              </div>
            ) : (
              answer.answered && <Body tab={tab} answer={answer} host={host} find={find} />
            )}
            {answer.more > 0 && <p class="rows-foot">{t('net.more', { n: answer.more })}</p>}
          </>
        )}
      </Show>
    </Section>
  );
}

const openRecord = (id: string | null) => go(withQuery({ record: id }), id !== null && location.search.includes('record='));

function Recorded({ host, tab }: { host: string; tab: 'flows' | 'dns' }) {
  const filters = useMemo(() => {
    const f = withValue(empty(), 'only', 'class', tab === 'dns' ? '4003' : '4001');
    return host ? withValue(f, 'only', 'host', host) : f;
  }, [host, tab]);
  const list = useList(`network records ${host} ${tab}`, (cursor, signal) => {
    const query = toRequest(filters, events_params);
    query.set('limit', String(RECORDS));
    query.set('to', String(Math.round(serverNow() + AHEAD)));
    if (cursor) query.set('cursor', cursor);
    return api.get<Page<EventRow>>('events', query, signal);
  });
  useEffect(() => learnHosts(list.items), [list.items]);
  const all = `/records?${toQuery(filters).toString()}`;
  return (
    <Section
      title={t('net.records')}
      lead={t(tab === 'dns' ? 'net.recordsDns' : 'net.recordsFlows')}
      actions={
        <>
          <a class="button" href={`${all}&live=1`}>
            {t('records.liveStart')}
          </a>
          <a class="button" href={all}>
            {t('net.allRecords')}
          </a>
        </>
      }
    >
      {list.error && <Failure error={list.error} retry={list.reload} />}
      {list.loading && !list.items.length && <Loading lines={6} />}
      {!list.loading && !list.error && !list.items.length && <Empty what={t('net.noRecords')} />}
      {list.items.length > 0 && <RecordRows label={t('net.records')} rows={list.items} onOpen={openRecord} onEnd={list.more ? list.loadMore : null} />}
    </Section>
  );
}

export function NetworkPage() {
  const { query } = usePlace();
  const tab = tabOf(query.get('tab'));
  const find = query.get('find') ?? '';
  const record = query.get('record');
  const hosts = useData('network hosts', (signal) => api.get<Page<Host>>('hosts', { limit: 1000 }, signal));
  const items = hosts.value?.items ?? [];
  // One host is the one that is meant.
  const host = query.get('host') ?? (items.length === 1 ? (items[0]?.id ?? '') : '');
  const name = items.find((h) => h.id === host)?.name ?? '';
  useEffect(() => {
    document.title = `${t('nav.network')}${name ? ` · ${plain(name, 60)}` : ''} · safeguard`;
  });
  const options = [['', t('net.allHosts')] as const, ...items.map((h) => [h.id, plain(h.name, 80)] as const)];
  return (
    <>
      <PageHead title={<Raw text={name ? t('net.of', { host: name }) : t('nav.network')} />} lead={t('net.lead')} />
      <div class="net-bar">
        <Segments label={t('net.tabs')} value={tab} options={TABS.map((one) => [one, t(`net.tab.${one}`)] as const)} onValue={(v) => go(withQuery({ tab: v === 'flows' ? null : v, find: null }))} />
        <Select label={t('net.host')} value={host} options={options} onValue={(v) => go(withQuery({ host: v || null, find: null }))} />
      </div>
      {host && <Now key={`${host} ${tab}`} host={host} tab={tab} find={find} />}
      {!host && (tab === 'map' || tab === 'drops') && !hosts.loading && <Empty what={t('net.choose')} />}
      {(tab === 'flows' || tab === 'dns') && <Recorded key={`records ${host} ${tab}`} host={host} tab={tab} />}
      {record && <RecordDrawer id={record} onClose={() => openRecord(null)} filters={empty()} setFilters={(f) => go(`/records?${toQuery(f).toString()}`)} />}
    </>
  );
}
