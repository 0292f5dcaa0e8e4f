// SPDX-License-Identifier: Apache-2.0
//
// How processes of a host are scheduled, as the host says while somebody looks: a table that is sorted and searched, how long they waited
// for a processor, and the rules that schedule. The host is asked as long as the page is looked at, and no longer.

import { useEffect, useMemo, useState } from 'preact/hooks';
import { api, seg } from '../api/client.ts';
import { useLive } from '../api/data.ts';
import type { LiveScheduling, ProcessUse, ProcessUses, ScheduleRule, ScheduleState } from '../api/types.ts';
import { t } from '../i18n/index.ts';
import { askedSort, COLUMNS, columnOf, findUses, ruleMeans, ruleValues, slotsOf, sortUses, span, valueOf, type SchedColumn } from '../lib/answers.ts';
import { bytes, count } from '../lib/num.ts';
import { plain } from '../lib/text.ts';
import { duration } from '../lib/time.ts';
import { Select } from '../parts/controls.tsx';
import { Histogram } from '../parts/histogram.tsx';
import { ProcessLink } from '../parts/proctree.tsx';
import { SearchBox } from '../parts/search.tsx';
import { Empty, Show } from '../parts/states.tsx';
import { Table, type Column } from '../parts/table.tsx';
import { Raw } from '../parts/text.tsx';
import { go, usePlace, withQuery } from '../router.ts';
import { PageHead, Section } from './frame.tsx';
import { LiveSays, Told } from './livesays.tsx';

const EVERY = 2000;
/** After the first look, of which there are no rates. */
const SOON = 1200;

const percentCell = (n: number | null) => (n === null ? '–' : n.toFixed(1));

function cellText(u: ProcessUse, column: SchedColumn): string {
  const n = valueOf(u, column);
  if (column === 'switches') return count(n);
  return column === 'mean' || column === 'p95' || column === 'max' ? span(n) : percentCell(n);
}

function SortHead({ column, sort, up }: { column: SchedColumn; sort: SchedColumn; up: boolean }) {
  const on = column === sort;
  const name = t(`sched.head.${column}`);
  const next = on && !up ? 'up' : null;
  return (
    <>
      <button
        type="button"
        class={on ? 'sort-head sort-on' : 'sort-head'}
        title={t(`sched.help.${column}`)}
        aria-label={t('sched.sortBy', { name })}
        aria-pressed={on}
        onClick={() => go(withQuery({ sort: column === 'cpu' ? null : column, way: next }), true)}
      >
        {name}
        <span aria-hidden="true">{on ? (up ? ' ▴' : ' ▾') : ''}</span>
      </button>
      {/* A phone has rows as cards, and another way to sort them. */}
      <span class="sort-name">{name}</span>
    </>
  );
}

function What({ u, host }: { u: ProcessUse; host: string }) {
  return (
    <>
      <ProcessLink host={host} uid={u.uid} title={plain(u.program ?? '', 300)}>
        <Raw text={u.name ?? u.program} mono max={60} />
      </ProcessLink>{' '}
      <span class="faint num">{u.pid ?? ''}</span>
      {u.ended && <span class="faint"> {t('sched.ended')}</span>}
      {u.cmd_line && (
        <div class="sched-cmd">
          <Raw text={u.cmd_line} mono max={200} />
        </div>
      )}
    </>
  );
}

function Uses({ use, host, sort, up, find }: { use: ProcessUses; host: string; sort: SchedColumn; up: boolean; find: string }) {
  const rows = useMemo(() => sortUses(findUses(use.rows, find), sort, up), [use, find, sort, up]);
  const columns: Column<ProcessUse>[] = [
    { key: 'what', head: t('sched.head.process'), kind: 'main', cell: (u) => <What u={u} host={host} /> },
    { key: 'user', head: t('sched.head.user'), cell: (u) => <Raw text={u.user} max={32} /> },
    ...(use.scheduling ? COLUMNS : (['cpu'] as const)).map((c) => ({
      key: c,
      head: <SortHead column={c} sort={sort} up={up} />,
      label: t(`sched.head.${c}`),
      kind: 'num' as const,
      cell: (u: ProcessUse) => cellText(u, c),
    })),
    ...(use.scheduling
      ? []
      : [
          { key: 'memory', head: t('sched.head.memory'), kind: 'num' as const, cell: (u: ProcessUse) => bytes(u.rss_bytes) },
          { key: 'read', head: t('sched.head.read'), kind: 'num' as const, cell: (u: ProcessUse) => bytes(u.read_bytes) },
          { key: 'written', head: t('sched.head.written'), kind: 'num' as const, cell: (u: ProcessUse) => bytes(u.written_bytes) },
        ]),
  ];
  if (!rows.length) return <Empty what={t('procs.liveNone')} />;
  return (
    <>
      <div class="sched-table">
        <Table label={t('sched.list')} rows={rows} keyOf={(u) => `${u.uid ?? ''} ${u.pid ?? ''}`} columns={columns} />
      </div>
      <p class="rows-foot">
        {find ? t('procs.liveFound', { n: count(rows.length), all: count(use.processes) }) : t('sched.first', { n: count(rows.length), all: count(use.processes) })}
        {use.uncounted > 0 && <strong> · {t('sched.uncounted', { n: use.uncounted })}</strong>}
      </p>
    </>
  );
}

function Delays({ use }: { use: ProcessUses }) {
  const slots = slotsOf(use);
  const d = use.delay;
  return (
    <Section title={t('sched.delays')} lead={t('sched.delaysLead')}>
      <p class="num">{t('sched.facts', { cpus: use.cpus, switches: count(use.switches), mean: span(d.mean_ns), p95: span(d.p95_ns), max: span(d.max_ns) })}</p>
      {slots.length ? (
        <Histogram label={t('sched.delays')} head={t('sched.delays')} unit={t('sched.waits')} bars={slots.map((s) => ({ name: t('sched.below', { time: span(s.below) }), n: s.count }))} />
      ) : (
        <Empty what={t('sched.delaysNone')} />
      )}
    </Section>
  );
}

/** By what a rule does what it says, as the host serves it. */
function Means({ r }: { r: ScheduleRule }) {
  const { files, threads } = ruleMeans(r);
  return (
    <>
      {files.length > 0 && (
        <div>
          <Raw
            text={
              r.named_groups
                ? t('sched.byNamed', { files: files.join(', '), groups: r.groups.join(', ') })
                : t('sched.byOwn', { files: files.join(', '), name: r.own_group ?? '' })
            }
            max={400}
          />
        </div>
      )}
      {threads.length > 0 && <div>{t('sched.byTask', { what: threads.join(', ') })}</div>}
    </>
  );
}

function StateOfRules({ s }: { s: ScheduleState }) {
  const odd = [
    s.not_stopped > 0 && t('sched.notStopped', { n: s.not_stopped }),
    s.continued_late > 0 && t('sched.late', { n: s.continued_late }),
    s.unbooked > 0 && t('sched.unbooked', { n: s.unbooked }),
  ].filter((text) => typeof text === 'string');
  return (
    <>
      {s.error && (
        <ul class="problems">
          <li class="problem">
            <Told {...s} />
          </li>
        </ul>
      )}
      <p class="below-table num">{t('sched.did', { stopped: count(s.stopped), applied: count(s.applied), failed: count(s.failed) })}</p>
      {odd.map((text) => (
        <p class="warn-text">{text}</p>
      ))}
    </>
  );
}

function Rules({ answer }: { answer: LiveScheduling }) {
  const { rules, scheduling } = answer;
  return (
    <Section title={t('sched.rules')}>
      {rules.length ? (
        <Table
          label={t('sched.rules')}
          rows={rules}
          keyOf={(r) => `${r.file}:${r.line}`}
          columns={[
            { key: 'rule', head: t('sched.rule'), kind: 'name', cell: (r) => <Raw text={`${r.file.split('/').pop() ?? ''}:${r.line}`} mono max={80} /> },
            { key: 'sets', head: t('sched.sets'), cell: (r) => <Raw text={ruleValues(r)} mono max={200} /> },
            { key: 'how', head: t('sched.how'), kind: 'main', cell: (r) => <Means r={r} /> },
            { key: 'serves', head: t('sched.serves'), cell: (r) => t('sched.servesText', { n: r.processes, m: r.serving_groups }) },
          ]}
        />
      ) : (
        <Empty what={t('sched.rulesNone')} cure={t('sched.rulesNoneCure')} />
      )}
      {scheduling && (scheduling.rules > 0 || scheduling.error) && <StateOfRules s={scheduling} />}
    </Section>
  );
}

function NotAddedUp({ use }: { use: ProcessUses }) {
  if (use.scheduling) return null;
  return (
    <div class="banner" role="status">
      <p>{t('sched.off')}</p>
      <Told {...use} />
    </div>
  );
}

export function SchedulingPage({ host }: { host: string }) {
  const { query } = usePlace();
  const sort = columnOf(query.get('sort'));
  const up = query.get('way') === 'up';
  const find = query.get('find') ?? '';
  const [paused, setPaused] = useState(false);
  const data = useLive(
    `scheduling ${host}`,
    (signal) => api.get<LiveScheduling>(`hosts/${seg(host)}/live/scheduling`, { sort: askedSort[sort] }, signal),
    (answer) => (answer?.use?.since_start ? SOON : EVERY),
    paused,
  );
  const name = data.value?.host_name ?? '';
  useEffect(() => {
    document.title = `${t('sched.title')} · ${plain(name, 60)} · safeguard`;
  });
  return (
    <>
      <PageHead title={<Raw text={name ? t('sched.of', { host: name }) : t('sched.title')} />} lead={t('sched.lead')}>
        <a class="button" href={`/hosts/${seg(host)}`}>
          {t('procs.host')}
        </a>
        <a class="button" href={`/hosts/${seg(host)}/processes?view=live`}>
          {t('procs.liveTree')}
        </a>
      </PageHead>
      <Show data={data} lines={10}>
        {(answer) => (
          <>
            <LiveSays live={answer.live} loading={data.loading} every={EVERY} paused={paused} onPause={setPaused} onAgain={data.reload} />
            {/* What a host is like, and what was asked for, before the long table of who. */}
            {answer.use?.scheduling && <Delays use={answer.use} />}
            {answer.live.answered !== null && <Rules answer={answer} />}
            {answer.use && <NotAddedUp use={answer.use} />}
            {answer.use && (
              <Section title={t('procs.title')}>
                <div class="filterbar">
                  <SearchBox label={t('sched.find')} hint={t('procs.liveFindHint')} text={find} onSearch={(text) => go(withQuery({ find: text.trim() }))} />
                  <div class="sort-choice">
                    <Select
                      label={t('sched.sort')}
                      hideLabel
                      value={sort}
                      onValue={(c) => go(withQuery({ sort: c === 'cpu' ? null : c, way: null }), true)}
                      options={COLUMNS.map((c) => [c, t('sched.sortBy', { name: t(`sched.head.${c}`) })] as const)}
                    />
                  </div>
                </div>
                <p class="sched-window" role="status">
                  {answer.use.since_start ? t('sched.sinceStart') : t('sched.window', { time: duration(answer.use.interval_ms) })}
                </p>
                <Uses use={answer.use} host={answer.host} sort={sort} up={up} find={find} />
              </Section>
            )}
          </>
        )}
      </Show>
    </>
  );
}
