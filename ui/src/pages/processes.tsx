// SPDX-License-Identifier: Apache-2.0
//
// What was executed on a host: the newest first, searched by words of the command line and by fields. And what runs: as the host
// says itself, and as far as records tell. All of it is in the URL.

import { useEffect } from 'preact/hooks';
import { api, seg, serverNow } from '../api/client.ts';
import { useData, useList } from '../api/data.ts';
import type { HostDetail, ProcessLaunch, ProcessTree } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { EXEC_FIELDS, execsOf, execsQuery, execsRequest, isExecNarrowed, noExecFilters, parseExecSearch, type ExecFilters } from '../lib/execs.ts';
import { processHref, ranFor } from '../lib/proctree.ts';
import { baseName, plain } from '../lib/text.ts';
import { duration, MINUTE } from '../lib/time.ts';
import { Button, Segments } from '../parts/controls.tsx';
import { Icon } from '../parts/icons.tsx';
import { ProcessLink, ProcTree } from '../parts/proctree.tsx';
import { SearchBox } from '../parts/search.tsx';
import { Empty, Failure, Loading, Show } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { At, OutcomeTag, Path, Raw, StateTag } from '../parts/text.tsx';
import { go, usePlace } from '../router.ts';
import { PageHead, Section } from './frame.tsx';
import { LiveTree } from './livetree.tsx';

const PAGE = 100;
const AHEAD = 10 * MINUTE;
const EVERY = 10_000;

const ranges = ['-1h', '-24h', '-7d', '-30d'] as const;

function Chips({ filters, set }: { filters: ExecFilters; set: (f: ExecFilters) => void }) {
  const chip = (key: string, name: string, value: string | null, without: () => ExecFilters) => (
    <button type="button" key={key} class="chip chip-only" title={t('records.chipRemove')} onClick={() => set(without())}>
      <span class="chip-field">{name}</span>
      {value !== null && <Raw text={value} max={60} />}
      <span class="sr">, {t('records.chipRemove')}</span>
      <Icon name="close" />
    </button>
  );
  return (
    <div class="chips">
      {EXEC_FIELDS.map((field) => {
        const value = filters.only[field];
        if (!value) return null;
        return chip(field, t(`pfield.${field}`), value, () => {
          const only = { ...filters.only };
          delete only[field];
          return { ...filters, only };
        });
      })}
      <label class="check">
        <input type="checkbox" checked={filters.denied} onChange={(e) => set({ ...filters, denied: e.currentTarget.checked })} />
        {t('procs.denied')}
      </label>
      {isExecNarrowed(filters) && (
        <Button small kind="quiet" onClick={() => set({ ...noExecFilters(), from: filters.from, to: filters.to })}>
          {t('records.clear')}
        </Button>
      )}
    </div>
  );
}

function Bar({ filters, set }: { filters: ExecFilters; set: (f: ExecFilters) => void }) {
  const search = (text: string) => {
    const f = parseExecSearch(text, filters);
    set(f);
    return f.q;
  };
  return (
    <div class="filterbar">
      <SearchBox label={t('procs.search')} hint={t('procs.searchHint')} text={filters.q} onSearch={search} />
      <Segments
        label={t('records.range')}
        value={filters.to ? '' : filters.from}
        onValue={(from) => set({ ...filters, from, to: '' })}
        options={ranges.map((r) => [r as string, t(`records.range${r.slice(1) as '1h' | '24h' | '7d' | '30d'}`)] as const)}
      />
      <Chips filters={filters} set={set} />
    </div>
  );
}

/** What the command line calls itself is not the program: an interpreter, a busybox, or one that pretends. */
function isOther(x: ProcessLaunch): boolean {
  const first = /^\s*(\S+)/.exec(x.cmd_line ?? '')?.[1] ?? '';
  return !!x.program && !!first && baseName(first.replace(/^-/, '')) !== baseName(x.program);
}

function What({ x, host }: { x: ProcessLaunch; host: string }) {
  const name = <Raw text={x.name ?? x.program} mono max={60} />;
  return (
    <>
      <span class="exec-name">
        <ProcessLink host={host} uid={x.uid} title={plain(x.program ?? '', 300)}>
          {name}
        </ProcessLink>{' '}
        <span class="faint num">{x.pid ?? ''}</span>{' '}
        {x.outcome !== 'other' && x.outcome !== 'allowed' && <OutcomeTag outcome={x.outcome} />}
        {x.rule && (
          <span class="faint">
            {' '}
            <Raw text={x.rule} max={60} />
          </span>
        )}
        {isOther(x) && (
          <span class="exec-program">
            <Raw text={x.program} mono max={120} />
          </span>
        )}
        {x.working_directory && (
          <span class="exec-program faint">
            {t('procs.in')} <Raw text={x.working_directory} mono max={80} />
          </span>
        )}
      </span>
      <div class="exec-cmd">
        <Path text={(x.cmd_line ?? x.program ?? '').slice(0, 400)} />
      </div>
    </>
  );
}

function History({ host, filters }: { host: string; filters: ExecFilters }) {
  const text = execsQuery(filters).toString();
  const list = useList(
    `execs ${host} ${text}`,
    (cursor, signal) => {
      const query = execsRequest(filters);
      query.set('limit', String(PAGE));
      // What comes from a clock that is years ahead would stand before all else for years.
      if (!filters.to) query.set('to', String(Math.round(serverNow() + AHEAD)));
      if (cursor) query.set('cursor', cursor);
      return api.get<Page<ProcessLaunch>>(`hosts/${seg(host)}/processes`, query, signal);
    },
    EVERY,
  );
  if (list.error && !list.items.length) return <Failure error={list.error} retry={list.reload} />;
  if (list.loading && !list.items.length) return <Loading lines={10} />;
  if (!list.items.length)
    return (
      <>
        <Empty
          what={t(isExecNarrowed(filters) ? 'procs.empty' : 'procs.emptyAll')}
          cure={t(isExecNarrowed(filters) ? 'procs.emptyCure' : 'procs.emptyAllCure')}
        />
        {list.truncated && <p class="warn-text">{t('procs.truncated')}</p>}
        {list.more && <Button onClick={list.loadMore}>{t('ui.more')}</Button>}
      </>
    );
  const who = (x: ProcessLaunch) => (
    <div class="exec-part">
      <Raw text={x.user} max={40} />
      {x.login_user && x.login_user !== x.user && (
        <span class="faint">
          {' '}
          {t('procs.loginAs')} <Raw text={x.login_user} max={40} />
        </span>
      )}
      {x.session && <span class="faint"> {t('procs.sessionOf', { n: plain(x.session, 20) })}</span>}
    </div>
  );
  const life = (x: ProcessLaunch) => {
    const ran = ranFor({ started: x.time, ended: x.ended, state: x.state }, serverNow());
    return (
      <div class="exec-part">
        <StateTag state={x.state} table="proc.state" />
        {x.exit_code !== null && x.exit_code !== 0 && <span class="num warn-text"> {t('proc.exit', { n: x.exit_code })}</span>}
        {ran !== null && <span class="num faint"> {t(x.ended !== null ? 'proc.ran' : 'proc.runs', { time: duration(ran) })}</span>}
      </div>
    );
  };
  return (
    <>
      {list.error && <Failure error={list.error} retry={list.reload} />}
      <Table
        label={t('procs.list')}
        rows={list.items}
        keyOf={(x) => x.id}
        onRow={(x) => {
          const href = processHref(host, x.uid);
          if (href) go(href);
        }}
        columns={[
          {
            key: 'time',
            head: t('procs.head.time'),
            cell: (x) => (
              <a href={`/records?record=${seg(x.id)}`} data-item>
                <At ms={x.time} />
                <span class="sr">, {t('procs.recordOf', { name: plain(x.name ?? '', 40) })}</span>
              </a>
            ),
          },
          { key: 'what', head: t('procs.head.what'), kind: 'main', cell: (x) => <What x={x} host={host} /> },
          { key: 'user', head: t('procs.head.user'), cell: who },
          {
            key: 'parent',
            head: t('procs.head.parent'),
            cell: (x) => (
              <ProcessLink host={host} uid={x.parent?.uid}>
                <Raw text={x.parent?.name ?? x.parent?.path} mono max={40} />
              </ProcessLink>
            ),
          },
          { key: 'state', head: t('procs.head.state'), cell: life },
        ]}
      />
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
  );
}

function Running({ host }: { host: string }) {
  const data = useData(`running ${host}`, (signal) => api.get<ProcessTree>(`hosts/${seg(host)}/processes/running`, undefined, signal), EVERY);
  return (
    <Section title={t('procs.running')} lead={t('procs.runningLead')}>
      <Show data={data} lines={10}>
        {(tree) =>
          tree.nodes.length ? (
            <>
              <ProcTree nodes={tree.nodes} host={host} self={null} label={t('procs.running')} />
              {tree.truncated && <p class="warn-text">{t('procs.cut')}</p>}
            </>
          ) : (
            <Empty what={t('procs.runningNone')} cure={t('procs.emptyAllCure')} />
          )
        }
      </Show>
    </Section>
  );
}

export function ProcessesPage({ host }: { host: string }) {
  const { query } = usePlace();
  const filters = execsOf(query);
  const asked = query.get('view');
  const view = asked === 'live' || asked === 'running' ? asked : 'history';
  const detail = useData(`host ${host}`, (signal) => api.get<HostDetail>(`hosts/${seg(host)}`, undefined, signal));
  const name = detail.value?.host.name ?? '';
  const base = `/hosts/${seg(host)}/processes`;
  const set = (f: ExecFilters) => {
    const s = execsQuery(f).toString();
    go(s ? `${base}?${s}` : base);
  };
  useEffect(() => {
    document.title = `${t('procs.title')} · ${plain(name, 60)} · safeguard`;
  });
  if (detail.error && !detail.value)
    return (
      <>
        <PageHead title={t('procs.title')} />
        <Failure error={detail.error} retry={detail.reload} />
      </>
    );
  return (
    <>
      <PageHead title={<Raw text={name ? t('procs.of', { host: name }) : t('procs.title')} />}>
        <a class="button" href={`/hosts/${seg(host)}`}>
          {t('procs.host')}
        </a>
        <a class="button" href={`/hosts/${seg(host)}/scheduling`}>
          {t('sched.title')}
        </a>
        <Segments
          label={t('procs.view')}
          value={view}
          onValue={(v) => go(v === 'history' ? base : `${base}?view=${v}`)}
          options={[
            ['history', t('procs.history')],
            ['live', t('procs.live')],
            ['running', t('procs.byRecords')],
          ]}
        />
      </PageHead>
      {view === 'live' && <LiveTree host={host} self={query.get('process')} find={query.get('find') ?? ''} />}
      {view === 'running' && <Running host={host} />}
      {view === 'history' && (
        <>
          <Bar filters={filters} set={set} />
          <History host={host} filters={filters} />
        </>
      )}
    </>
  );
}
