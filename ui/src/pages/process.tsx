// SPDX-License-Identifier: Apache-2.0
//
// One process: the tree that it stands in, all that its records say of it, and these records over time.

import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { api, seg, serverNow } from '../api/client.ts';
import { useData, useList } from '../api/data.ts';
import type { OcsfDescriptor, OcsfEndpoint, OcsfFileFacts, OcsfLaunch, OcsfProcess } from '../api/ocsf.ts';
import type { Event as EventRow, ProcessDetail, ProcessTree, Timeline } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { type Key, t, tOr } from '../i18n/index.ts';
import { count } from '../lib/num.ts';
import { outcomeKey, OUTCOMES } from '../lib/ocsf.ts';
import { processHref, ranFor, withoutSiblings } from '../lib/proctree.ts';
import { launchOf, processOf } from '../lib/shape.ts';
import { plain } from '../lib/text.ts';
import { duration } from '../lib/time.ts';
import { Chart } from '../parts/chart.tsx';
import { Button, copy, notify } from '../parts/controls.tsx';
import { Json } from '../parts/json.tsx';
import { ProcTree } from '../parts/proctree.tsx';
import { Empty, Failure, Loading, Show } from '../parts/states.tsx';
import { Ago, At, Fact, OutcomeTag, Raw, StateTag } from '../parts/text.tsx';
import { go, usePlace, withQuery } from '../router.ts';
import { PageHead, Section } from './frame.tsx';
import { RecordDrawer } from './record.tsx';
import { RecordRows } from './rows.tsx';

const EVERY = 10_000;
const BUCKETS = 96;
const PAGE = 100;

/** A value, and a button that copies it as it is. */
function Copied({ name, text, children }: { name: string; text: string | null | undefined; children?: ComponentChildren }) {
  if (!text) return null;
  const onClick = async () => {
    if (await copy(text)) notify(t('ui.copied'));
  };
  return (
    <Fact name={name}>
      {children ?? <Raw text={text} mono />}{' '}
      <button type="button" class="copy-value" onClick={() => void onClick()}>
        {t('ui.copy')}
        <span class="sr">: {name}</span>
      </button>
    </Fact>
  );
}

/** More siblings than that stand in the way of what is beneath. */
const SIBLINGS = 8;

function Tree({ d }: { d: ProcessDetail }) {
  const [wanted, setWanted] = useState<boolean | null>(null);
  const data = useData(
    `tree ${d.host} ${d.uid}`,
    (signal) => api.get<ProcessTree>(`hosts/${seg(d.host)}/processes/${seg(d.uid)}/tree`, undefined, signal),
    d.state === 'running' ? EVERY : 0,
  );
  const others = data.value?.nodes.filter((n) => n.role === 'sibling').length ?? 0;
  const siblings = wanted ?? others <= SIBLINGS;
  return (
    <Section
      title={t('proc.tree')}
      lead={t('proc.treeLead')}
      actions={
        <label class="check">
          <input type="checkbox" checked={siblings} onChange={(e) => setWanted(e.currentTarget.checked)} />
          {t('proc.siblings')} {others > 0 && <span class="faint num">({count(others)})</span>}
        </label>
      }
    >
      <Show data={data} lines={6}>
        {(tree) => <Shown tree={tree} siblings={siblings} />}
      </Show>
    </Section>
  );
}

function Shown({ tree, siblings }: { tree: ProcessTree; siblings: boolean }) {
  const nodes = useMemo(() => (siblings ? tree.nodes : withoutSiblings(tree.nodes)), [tree, siblings]);
  return (
    <>
      <ProcTree nodes={nodes} host={tree.host} self={tree.process} label={t('proc.tree')} />
      {tree.truncated && <p class="warn-text">{t('procs.cut')}</p>}
    </>
  );
}

function endpoint(e: OcsfEndpoint | undefined): string {
  if (!e?.ip) return '';
  const port = e.port === undefined ? '' : `:${e.port}`;
  return e.ip.includes(':') ? `[${e.ip}]${port}` : `${e.ip}${port}`;
}

function descriptorText(d: OcsfDescriptor): string {
  const kind = d.kind ? tOr(`proc.kind.${d.kind}`, d.kind) : '';
  const way = [endpoint(d.local_endpoint), endpoint(d.remote_endpoint)].filter(Boolean).join(' → ');
  const where = d.path ?? d.terminal ?? '';
  return [kind, d.family, where, way].filter(Boolean).join(' ');
}

function Descriptors({ list }: { list: OcsfDescriptor[] }) {
  const shown = list.slice(0, 16);
  const nameOf = (d: OcsfDescriptor) =>
    d.fd !== undefined && d.fd <= 2 && d.fd >= 0 ? t(`proc.fd.${d.fd as 0 | 1 | 2}`) : t('proc.fd.n', { n: d.fd ?? '?' });
  return (
    <Copied name={t('proc.stdio')} text={shown.map((d) => `${d.fd ?? '?'} ${descriptorText(d)}`).join('\n')}>
      <ul class="values">
        {shown.map((d) => (
          <li>
            <span class="faint">{nameOf(d)}</span> <Raw text={descriptorText(d)} mono max={300} />
          </li>
        ))}
      </ul>
    </Copied>
  );
}

function Environment({ p, u }: { p: OcsfProcess; u: OcsfLaunch }) {
  const list = (p.environment_variables ?? []).slice(0, 100).map((v) => `${v.name ?? ''}=${v.value ?? ''}`);
  if (!list.length) return null;
  return (
    <Copied name={t('proc.env')} text={list.join('\n')}>
      <ul class="values">
        {list.map((v) => (
          <li>
            <Raw text={v} mono max={1000} />
          </li>
        ))}
      </ul>
      {u.environment_cut && <span class="warn-text">{t('proc.cut')}</span>}
    </Copied>
  );
}

function Arguments({ u }: { u: OcsfLaunch }) {
  const list = (u.arguments ?? []).slice(0, 200);
  return (
    <>
      {list.length > 0 && (
        <Copied name={t('proc.arguments')} text={list.join('\n')}>
          <ol class="values arguments">
            {list.map((a) => (
              <li>
                <Raw text={a || "''"} mono max={1000} />
              </li>
            ))}
          </ol>
        </Copied>
      )}
      {u.arguments_cut && (
        <Fact name={t('proc.arguments')}>
          <span class="warn-text">{t('proc.argumentsCut', { n: u.argument_count ?? 0 })}</span>
        </Fact>
      )}
    </>
  );
}

function Privileges({ u }: { u: OcsfLaunch }) {
  const sets: [string, string[] | undefined][] = [
    ['', u.capabilities],
    [t('proc.permitted'), u.capabilities_permitted],
    [t('proc.ambient'), u.capabilities_ambient],
  ];
  const shown = sets.filter(([, list]) => list?.length);
  const spaces = Object.entries(u.namespaces ?? {});
  return (
    <>
      {shown.length > 0 && (
        <Copied name={t('proc.capabilities')} text={shown.map(([name, list]) => [name, ...(list ?? [])].filter(Boolean).join(' ')).join('\n')}>
          <ul class="values">
            {shown.map(([name, list]) => (
              <li>
                {name && <span class="faint">{name} </span>}
                <Raw text={(list ?? []).slice(0, 64).join(' ')} mono max={2000} />
              </li>
            ))}
          </ul>
        </Copied>
      )}
      {spaces.length > 0 && <Copied name={t('proc.namespaces')} text={spaces.map(([k, n]) => `${k} ${n}`).join(', ')} />}
      {(u.launch ?? []).length > 0 && (
        <Fact name={t('proc.launch')}>
          <span class="warn-text">
            {(u.launch ?? [])
              .slice(0, 8)
              .map((w) => tOr(`proc.launch.${w}`, plain(w, 40)))
              .join(', ')}
          </span>
        </Fact>
      )}
    </>
  );
}

function FileFacts({ of, missing, names }: { of: OcsfFileFacts | undefined; missing: string | undefined; names: { hash: Key; pack: Key } }) {
  const hash = of?.hashes?.find((h) => h.value)?.value;
  const product = of?.product;
  return (
    <>
      <Copied name={t(names.hash)} text={hash} />
      {!hash && missing && (
        <Fact name={t(names.hash)}>
          <Raw text={t('proc.hashMissing', { why: missing })} max={100} />
        </Fact>
      )}
      <Copied name={t(names.pack)} text={product && [product.name, product.version].filter(Boolean).join(' ')} />
    </>
  );
}

function Life({ d }: { d: ProcessDetail }) {
  const ran = ranFor(d, serverNow());
  return (
    <>
      <Fact name={t('ui.state')}>
        <StateTag state={d.state} table="proc.state" />
        {d.state === 'running' && ran !== null && <span class="faint"> {t('proc.runs', { time: duration(ran) })}</span>}
      </Fact>
      {d.started !== null && (
        <Fact name={t('proc.started')}>
          <At ms={d.started} full /> <span class="faint">({t('record.hostClock')})</span> · <Ago ms={d.started} />
        </Fact>
      )}
      {d.ended !== null && (
        <Fact name={t('proc.ended')}>
          <At ms={d.ended} full />
          {d.exit_code !== null && <span class={d.exit_code ? 'warn-text num' : 'num'}> {t('proc.exit', { n: d.exit_code })}</span>}
          {d.signal !== null && <span class="warn-text num"> {t('proc.signal', { n: d.signal })}</span>}
          {ran !== null && <span class="faint"> {t('proc.ran', { time: duration(ran) })}</span>}
        </Fact>
      )}
    </>
  );
}

function Counts({ d }: { d: ProcessDetail }) {
  const list = OUTCOMES.filter((o) => d.counts[o]);
  if (!list.length) return null;
  return (
    <Fact name={t('proc.outcomes')}>
      {list.map((o) => (
        <span class="count-of">
          <OutcomeTag outcome={o} /> <b class="num">{count(d.counts[o] ?? 0)}</b>{' '}
        </span>
      ))}
      {d.truncated && <div class="warn-text">{t('proc.countsCut')}</div>}
    </Fact>
  );
}

function Detail({ d }: { d: ProcessDetail }) {
  const p = processOf(d.process);
  const u = launchOf(d.unmapped);
  const container = p.container;
  const session = p.session;
  return (
    <Section title={t('proc.detail')}>
      <dl class="facts facts-wide">
        <Life d={d} />
        <Counts d={d} />
        <Copied name={t('proc.program')} text={p.file?.path ?? d.program}>
          <Raw text={p.file?.path ?? d.program} mono />
          {p.file?.is_deleted && <span class="warn-text"> {t('record.deleted')}</span>}
        </Copied>
        <Copied name={t('proc.script')} text={u.script} />
        <Copied name={t('proc.command')} text={p.cmd_line} />
        <Arguments u={u} />
        <Copied name={t('proc.cwd')} text={p.working_directory} />
        <Copied name={t('record.runsAs')} text={p.user?.name ?? p.user?.uid ?? d.user} />
        <Copied name={t('record.loginUser')} text={d.login_user} />
        <Copied name={t('record.session')} text={[session?.issuer, d.session].filter(Boolean).join(' ')}>
          <Raw text={[session?.issuer, d.session].filter(Boolean).join(' ')} />
          {session?.is_remote && <span class="warn-text"> {t('record.remote')}</span>}
        </Copied>
        <Copied name={t('proc.terminal')} text={session?.terminal} />
        <Copied name={t('record.container')} text={container && [container.runtime, container.uid, container.orchestrator].filter(Boolean).join(' · ')} />
        <Copied name={t('record.cgroup')} text={u.cgroup} />
        <Environment p={p} u={u} />
        {u.descriptors && u.descriptors.length > 0 && <Descriptors list={u.descriptors} />}
        <Privileges u={u} />
        <FileFacts of={p.file} missing={u.hash_missing} names={{ hash: 'proc.hash', pack: 'proc.package' }} />
        <FileFacts of={u.script_file} missing={u.script_file?.hash_missing} names={{ hash: 'proc.scriptHash', pack: 'proc.scriptPackage' }} />
        <Copied name={t('proc.uid')} text={d.uid} />
      </dl>
      <details class="part">
        <summary>{t('proc.raw')}</summary>
        <Json value={{ process: d.process, actor: d.actor, unmapped: d.unmapped }} />
      </details>
    </Section>
  );
}

function Course({ d }: { d: ProcessDetail }) {
  const to = Math.ceil(((d.state === 'running' ? serverNow() : (d.last_seen ?? serverNow())) + 1) / 60_000) * 60_000;
  // What is asked for does not change with each second that passes.
  const from = Math.min(d.started ?? to - 86_400_000, to - 600_000);
  const data = useData(`course ${d.host} ${d.uid} ${from} ${to}`, (signal) => {
    const query = new URLSearchParams({ host: d.host, process: d.uid, buckets: String(BUCKETS), from: String(from), to: String(to) });
    return api.get<Timeline>('events/timeline', query, signal);
  });
  return (
    <Show data={data} lines={2}>
      {(tl) => (
        <Chart
          label={t('records.timeline')}
          from={tl.from}
          step={tl.step}
          completeFrom={tl.complete_from}
          height={90}
          series={OUTCOMES.map((o) => ({ key: o, label: t(outcomeKey[o]), colour: o, points: tl.points.map((p) => p[o] ?? 0) })).filter(
            (s) => s.key === 'denied' || s.points.some((n) => n > 0),
          )}
        />
      )}
    </Show>
  );
}

const openRecord = (id: string | null) => go(withQuery({ record: id }), id !== null && location.search.includes('record='));

function Records({ d }: { d: ProcessDetail }) {
  const list = useList(
    `of ${d.host} ${d.uid}`,
    (cursor, signal) => {
      const query = new URLSearchParams({ host: d.host, process: d.uid, limit: String(PAGE) });
      if (cursor) query.set('cursor', cursor);
      return api.get<Page<EventRow>>('events', query, signal);
    },
    d.state === 'running' ? EVERY : 0,
  );
  const all = `/records?host=${seg(d.host)}&process=${seg(d.uid)}${d.started ? `&from=${seg(new Date(d.started).toISOString())}` : ''}`;
  return (
    <Section
      title={t('proc.records')}
      lead={t('proc.recordsLead')}
      actions={
        <a class="button button-small" href={all}>
          {t('proc.recordsAll')}
        </a>
      }
    >
      <Course d={d} />
      {list.error && !list.items.length && <Failure error={list.error} retry={list.reload} />}
      {list.loading && !list.items.length && <Loading lines={6} />}
      {!list.loading && !list.error && !list.items.length && <Empty what={t('records.empty')} />}
      {list.items.length > 0 && (
        <>
          <RecordRows label={t('records.list')} rows={list.items} onOpen={openRecord} onEnd={list.more ? list.loadMore : null} />
          <p class="rows-foot" role="status">
            {t('ui.shownOf', { n: list.items.length })}
            {list.truncated && <strong> · {t('procs.truncated')}</strong>}
            {list.more && (
              <Button small kind="quiet" onClick={list.loadMore} disabled={list.loading}>
                {list.loading ? t('ui.loading') : t('ui.more')}
              </Button>
            )}
          </p>
        </>
      )}
    </Section>
  );
}

export function ProcessPage({ host, uid }: { host: string; uid: string }) {
  const { query } = usePlace();
  const open = query.get('record');
  const data = useData(`process ${host} ${uid}`, (signal) => api.get<ProcessDetail>(`hosts/${seg(host)}/processes/${seg(uid)}`, undefined, signal), EVERY);
  const d = data.value;
  useEffect(() => {
    document.title = `${plain(d?.name ?? t('proc.title'), 60)} · safeguard`;
  });
  const base = `/hosts/${seg(host)}/processes`;
  const ways = (
    <>
      <a class="button" href={base}>
        {t('procs.title')}
      </a>
      <a class="button" href={`${base}?view=live&process=${seg(uid)}`}>
        {t('procs.liveTree')}
      </a>
      <a class="button" href={`${base}?from=-30d&process=${seg(uid)}`}>
        {t('proc.execHistory')}
      </a>
    </>
  );
  if (!d)
    return (
      <>
        <PageHead title={t('proc.title')}>{ways}</PageHead>
        {data.error?.status === 404 ? <Empty what={t('proc.none')} /> : <Show data={data}>{() => null}</Show>}
      </>
    );
  const parent = processHref(d.host, d.parent);
  return (
    <>
      <PageHead
        title={
          <>
            <Raw text={d.name ?? '?'} max={80} /> <span class="faint num">{d.pid ?? ''}</span>{' '}
            <a class="head-host" href={`/hosts/${seg(d.host)}`}>
              <Raw text={d.host_name} max={60} />
            </a>
          </>
        }
      >
        {parent && (
          <a class="button" href={parent}>
            {t('procs.head.parent')}
          </a>
        )}
        {ways}
      </PageHead>
      {data.error && <Failure error={data.error} retry={data.reload} />}
      <Tree d={d} />
      <Detail d={d} />
      <Records d={d} />
      {open && <RecordDrawer id={open} onClose={() => openRecord(null)} />}
    </>
  );
}
