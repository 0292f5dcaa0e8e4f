// SPDX-License-Identifier: Apache-2.0
//
// All records: search, filters, the course over time, the list, the live tail, one record in full. The
// whole state is in the URL.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api, apiUrl, serverNow } from '../api/client.ts';
import { useData, useList } from '../api/data.ts';
import { LiveTail, type LiveState } from '../api/live.ts';
import type { Event as EventRow, Timeline } from '../api/types.ts';
import { events_export_params, events_params, events_stream_params, events_timeline_params } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { fromQuery, isExcluded, isNarrowed, toQuery, toRequest, type Filters } from '../lib/filters.ts';
import { outcomeKey, OUTCOMES } from '../lib/ocsf.ts';
import { MINUTE } from '../lib/time.ts';
import { Chart } from '../parts/chart.tsx';
import { Button } from '../parts/controls.tsx';
import { useKeys } from '../parts/keys.ts';
import { Empty, Failure, Loading, Show } from '../parts/states.tsx';
import { go, usePlace, withQuery } from '../router.ts';
import { FilterBar } from './filterbar.tsx';
import { PageHead } from './frame.tsx';
import { learnHosts } from './hostnames.ts';
import { RecordDrawer } from './record.tsx';
import { RecordRows } from './rows.tsx';

const PAGE = 200;
const BUCKETS = 96;
const AHEAD = 10 * MINUTE;

function useFilters(): { filters: Filters; text: string; set: (f: Filters) => void } {
  const { query } = usePlace();
  const filters = fromQuery(query);
  const text = toQuery(filters).toString();
  const set = (f: Filters) => {
    const next = toQuery(f);
    if (query.get('live')) next.set('live', '1');
    const s = next.toString();
    go(s ? `/records?${s}` : '/records');
  };
  return { filters, text, set };
}

function Course({ text, filters, set }: { text: string; filters: Filters; set: (f: Filters) => void }) {
  const data = useData(`timeline ${text}`, (signal) => {
    const query = toRequest(filters, events_timeline_params);
    query.set('buckets', String(BUCKETS));
    return api.get<Timeline>('events/timeline', query, signal);
  });
  return (
    <Show data={data} lines={3}>
      {(tl) => (
        <Chart
          label={t('records.timeline')}
          hint={t('records.brushHint')}
          from={tl.from}
          step={tl.step}
          completeFrom={tl.complete_from}
          height={110}
          series={OUTCOMES.map((o) => ({
            key: o,
            label: t(outcomeKey[o]),
            colour: o,
            points: tl.points.map((p) => p[o] ?? 0),
          })).filter((s) => s.key === 'denied' || s.points.some((n) => n > 0))}
          onBrush={(from, to) =>
            set({ ...filters, from: new Date(from).toISOString(), to: new Date(to).toISOString() })
          }
          onReset={() => set({ ...filters, from: '-24h', to: '' })}
        />
      )}
    </Show>
  );
}

const openRecord = (id: string | null) => go(withQuery({ record: id }), id !== null && location.search.includes('record='));

function Found({ text, filters, open }: { text: string; filters: Filters; open: string | null }) {
  const list = useList(`events ${text}`, (cursor, signal) => {
    const query = toRequest(filters, events_params);
    query.set('limit', String(PAGE));
    // What comes from a clock that is years ahead would stand before all else for years: it is found through its host.
    if (!filters.to) query.set('to', String(Math.round(serverNow() + AHEAD)));
    if (cursor) query.set('cursor', cursor);
    return api.get<Page<EventRow>>('events', query, signal);
  });
  const rows = useMemo(() => list.items.filter((r) => !isExcluded(filters, r)), [list.items, text]);
  useEffect(() => learnHosts(list.items), [list.items]);
  const hidden = list.items.length - rows.length;
  const at = rows.findIndex((r) => r.id === open);
  const step = (by: number) => () => {
    const next = rows[at + by];
    if (next) openRecord(next.id);
  };
  useKeys(at >= 0 ? { j: step(1), k: step(-1) } : {});
  if (list.error && !list.items.length) return <Failure error={list.error} retry={list.reload} />;
  if (list.loading && !list.items.length) return <Loading lines={10} />;
  if (!rows.length)
    return (
      <Empty
        what={t(isNarrowed(filters) ? 'records.empty' : 'records.emptyAll')}
        cure={t('records.emptyCure')}
      />
    );
  return (
    <>
      {list.error && <Failure error={list.error} retry={list.loadMore} />}
      <RecordRows label={t('records.list')} rows={rows} onOpen={openRecord} onEnd={list.more ? list.loadMore : null} />
      <p class="rows-foot" role="status">
        {t('ui.shownOf', { n: rows.length })}
        {hidden > 0 && ` · ${t('records.hidden', { n: hidden })}`}
        {list.truncated && <strong> · {t('records.truncated')}</strong>}
        {list.more && (
          <Button small kind="quiet" onClick={list.loadMore} disabled={list.loading}>
            {list.loading ? t('ui.loading') : t('ui.more')}
          </Button>
        )}
      </p>
    </>
  );
}

/** What the tail says of itself; read out at most every few seconds. */
function LiveNote({ state }: { state: LiveState | null }) {
  const shown = state?.rows.length ?? 0;
  const said = !state?.connected
    ? t(state?.refused ? 'records.liveRefused' : 'records.liveConnecting')
    : state.paused
      ? t('records.livePaused', { n: state.waiting })
      : t('records.liveOn', { n: shown });
  const [spoken, setSpoken] = useState(said);
  const latest = useRef(said);
  latest.current = said;
  useEffect(() => {
    const timer = setInterval(() => setSpoken(latest.current), 5000);
    return () => clearInterval(timer);
  }, []);
  const lost = (state?.lost ?? 0) + (state?.dropped ?? 0);
  return (
    <p class="live-note">
      <span class={state?.connected && !state.paused ? 'pulse' : 'pulse pulse-off'} aria-hidden="true" />
      <span aria-hidden="true">{said}</span>
      <span class="sr" aria-live="polite">
        {spoken}
      </span>
      {lost > 0 && <strong class="live-lost"> {t('records.liveLost', { n: lost })}</strong>}
    </p>
  );
}

function Live({ text, filters }: { text: string; filters: Filters }) {
  const [state, setState] = useState<LiveState | null>(null);
  const tail = useRef<LiveTail | null>(null);
  useEffect(() => {
    const live = new LiveTail(setState);
    tail.current = live;
    live.start(toRequest(filters, events_stream_params));
    return () => live.stop();
  }, [text]);
  const paused = state?.paused ?? false;
  const toggle = () => tail.current?.pause(!paused);
  useKeys({ l: toggle, ' ': toggle });
  const rows = (state?.rows ?? []).filter((r) => !isExcluded(filters, r));
  return (
    <>
      <div class="live-head">
        <LiveNote state={state} />
        <Button small icon={paused ? 'play' : 'pause'} onClick={toggle}>
          {paused ? t('records.liveResume', { n: state?.waiting ?? 0 }) : t('records.livePause')}
        </Button>
      </div>
      {rows.length ? (
        <RecordRows label={t('records.live')} rows={rows} onOpen={openRecord} onEnd={null} />
      ) : (
        <Empty what={t('records.liveEmpty')} />
      )}
    </>
  );
}

export function RecordsPage() {
  const { query } = usePlace();
  const { filters, text, set } = useFilters();
  const live = query.get('live') === '1';
  const record = query.get('record');
  const toggleLive = () => go(withQuery({ live: live ? null : '1' }));
  useKeys(live ? {} : { l: toggleLive });
  return (
    <div class="records">
      <PageHead title={t('records.title')}>
        <Button icon={live ? 'close' : 'play'} pressed={live} onClick={toggleLive}>
          {live ? t('records.liveStop') : t('records.liveStart')}
        </Button>
        <a class="button" href={apiUrl('events/export', toRequest(filters, events_export_params))} download="records.ndjson">
          {t('records.export')}
        </a>
      </PageHead>
      <FilterBar filters={filters} set={set} noRange={live} />
      {live ? (
        <Live text={text} filters={filters} />
      ) : (
        <>
          <Course text={text} filters={filters} set={set} />
          <Found text={text} filters={filters} open={record} />
        </>
      )}
      {record && <RecordDrawer id={record} onClose={() => openRecord(null)} filters={filters} setFilters={set} />}
    </div>
  );
}
