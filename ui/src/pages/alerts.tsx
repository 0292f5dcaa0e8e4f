// SPDX-License-Identifier: Apache-2.0
//
// Alerts: what waits for somebody, one line for all that is the same; handled one by one, many at once,
// or by keys.

import { useState } from 'preact/hooks';
import { api, seg, session } from '../api/client.ts';
import { asError, useList, type List } from '../api/data.ts';
import type { Alert, AlertStatus } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { count } from '../lib/num.ts';
import { severityKey } from '../lib/ocsf.ts';
import { plain } from '../lib/text.ts';
import { Button, notify, Segments, Select } from '../parts/controls.tsx';
import { Icon } from '../parts/icons.tsx';
import { useKeys } from '../parts/keys.ts';
import { Empty, errorText, Failure, Loading } from '../parts/states.tsx';
import { Table, type Column } from '../parts/table.tsx';
import { Ago, OutcomeTag, Raw, SeverityTag, StateTag } from '../parts/text.tsx';
import { go, usePlace, withQuery } from '../router.ts';
import { may } from './access.ts';
import { AlertDrawer } from './alert.tsx';
import { PageHead } from './frame.tsx';
import { sentence } from './sentence.ts';

type Shown = AlertStatus | 'open' | 'all';
const shownStates: Shown[] = ['open', 'new', 'acknowledged', 'resolved', 'false-positive', 'all'];

function statusParameter(s: Shown): string {
  return s === 'all' ? '' : s === 'open' ? 'new,acknowledged' : s;
}

/** Changes alerts on the server, then in the list; says what failed. */
async function change(ids: string[], status: AlertStatus | null, owner: string | null, list: List<Alert>): Promise<void> {
  if (!ids.length) return;
  const body = { ...(status ? { status } : {}), ...(owner !== null ? { owner } : {}) };
  try {
    if (ids.length === 1) await api.patch(`alerts/${seg(ids[0] as string)}`, body);
    else await api.post('alerts/bulk', { ids, ...body });
    list.setItems((items) => items.map((a) => (ids.includes(a.id) ? { ...a, ...body } : a)));
    notify(t('alerts.bulkDone', { n: ids.length }));
  } catch (e) {
    const text = errorText(asError(e));
    notify(`${plain(text.what)} ${plain(text.cure)}`, true);
  }
}

interface Picking {
  picked: Set<string>;
  pick: (id: string) => void;
  all: boolean;
  pickAll: () => void;
}

function columns({ picked, pick, all, pickAll }: Picking, mayPick: boolean): Column<Alert>[] {
  const list: Column<Alert>[] = [
    {
      key: 'severity',
      head: t('alerts.severity'),
      cell: (a) => <SeverityTag n={a.severity} />,
    },
    {
      key: 'what',
      head: t('alerts.what'),
      kind: 'main',
      cell: (a) => (
        <>
          <a href={withQuery({ alert: a.id })} data-item data-id={a.id}>
            <Raw text={sentence(a, a.title)} max={240} />
          </a>
          <div class="cell-note">
            {a.condition ? t('alerts.ofHost') : <OutcomeTag outcome={a.outcome} />} · <Raw text={a.host_name} />
            {a.rule && (
              <>
                {' '}
                · {t('field.rule')} <Raw text={a.rule} />
              </>
            )}
          </div>
        </>
      ),
    },
    { key: 'count', head: t('alerts.count'), kind: 'num', cell: (a) => count(a.count) },
    { key: 'first', head: t('alerts.first'), cell: (a) => <Ago ms={a.first_seen} /> },
    { key: 'last', head: t('alerts.last'), cell: (a) => <Ago ms={a.last_seen} /> },
    { key: 'status', head: t('ui.state'), cell: (a) => <StateTag state={a.status} table="alerts.status" /> },
    {
      key: 'owner',
      head: t('alerts.owner'),
      cell: (a) => (a.owner ? <Raw text={a.owner} /> : <span class="faint">{t('alerts.nobody')}</span>),
    },
  ];
  if (!mayPick) return list;
  return [
    {
      key: 'pick',
      head: <input type="checkbox" aria-label={t('ui.selectAll')} checked={all} onChange={pickAll} />,
      kind: 'pick',
      cell: (a) => (
        <input
          type="checkbox"
          aria-label={t('ui.selectOne', { name: plain(a.title, 80) })}
          checked={picked.has(a.id)}
          onChange={() => pick(a.id)}
        />
      ),
    },
    ...list,
  ];
}

/** The alert that has the focus. */
function focused(): string | null {
  return (document.activeElement?.closest('[data-line]')?.querySelector('[data-id]') as HTMLElement | null)?.dataset.id ?? null;
}

function useTriage(list: List<Alert>, open: string | null, picked: Set<string>, pick: (id: string) => void): void {
  const targets = () => {
    if (open) return [open];
    if (picked.size) return [...picked];
    const id = focused();
    return id ? [id] : [];
  };
  const to = (status: AlertStatus) => () => {
    if (may('operate')) void change(targets(), status, null, list);
  };
  const step = (by: number) => () => {
    const at = list.items.findIndex((a) => a.id === open);
    const next = list.items[at + by];
    if (next) go(withQuery({ alert: next.id }), true);
  };
  useKeys({
    e: to('acknowledged'),
    d: to('resolved'),
    f: to('false-positive'),
    x: () => {
      const id = focused();
      if (id && may('operate')) pick(id);
    },
    ...(open ? { j: step(1), k: step(-1) } : {}),
  });
}

function BulkBar({ picked, list, clear }: { picked: Set<string>; list: List<Alert>; clear: () => void }) {
  const ids = [...picked];
  const go = (status: AlertStatus | null, owner: string | null) => void change(ids, status, owner, list).then(clear);
  const me = session.get();
  return (
    <div class="bulk" role="toolbar" aria-label={t('ui.selected', { n: picked.size })}>
      <span>{t('ui.selected', { n: picked.size })}</span>
      <Button small onClick={() => go('acknowledged', null)}>
        {t('alerts.ack')}
      </Button>
      <Button small onClick={() => go('resolved', null)}>
        {t('alerts.resolve')}
      </Button>
      <Button small onClick={() => go('false-positive', null)}>
        {t('alerts.false')}
      </Button>
      {me && (
        <Button small onClick={() => go(null, me.user)}>
          {t('alerts.take')}
        </Button>
      )}
      <Button small kind="quiet" icon="close" label={t('ui.cancel')} onClick={clear} />
    </div>
  );
}

export function AlertsPage() {
  const { query } = usePlace();
  const status = (shownStates.find((s) => s === query.get('status')) ?? 'open') as Shown;
  const severity = query.get('severity') ?? '';
  const q = query.get('q') ?? '';
  const open = query.get('alert');
  const [text, setText] = useState(q);
  const [picked, setPicked] = useState(new Set<string>());
  const list = useList(
    `alerts ${status} ${severity} ${q}`,
    (cursor, signal) =>
      api.get<Page<Alert>>('alerts', { status: statusParameter(status), severity, q, cursor, limit: 100 }, signal),
    picked.size ? 0 : 20_000,
  );
  const pick = (id: string) => {
    const next = new Set(picked);
    if (!next.delete(id)) next.add(id);
    setPicked(next);
  };
  useTriage(list, open, picked, pick);
  const all = list.items.length > 0 && list.items.every((a) => picked.has(a.id));
  const pickAll = () => setPicked(new Set(all ? [] : list.items.map((a) => a.id)));
  const cols = columns({ picked, pick, all, pickAll }, may('operate'));
  return (
    <>
      <PageHead title={t('alerts.title')} lead={may('operate') ? '' : t('alerts.readOnly')} />
      <div class="filterbar">
        <form
          class="searchbox"
          role="search"
          onSubmit={(e) => {
            e.preventDefault();
            go(withQuery({ q: text }));
          }}
        >
          <Icon name="search" />
          <input
            type="search"
            aria-label={t('alerts.search')}
            placeholder={t('alerts.search')}
            value={text}
            onInput={(e) => setText(e.currentTarget.value)}
          />
          <Button type="submit" small>
            {t('ui.search')}
          </Button>
        </form>
        <Segments
          label={t('alerts.filterStatus')}
          value={status}
          onValue={(s) => (setPicked(new Set()), go(withQuery({ status: s === 'open' ? null : s })))}
          options={shownStates.map((s) =>
            [s, s === 'all' ? t('ui.all') : s === 'open' ? t('alerts.open') : t(`alerts.status.${s}`)] as const,
          )}
        />
        <Select
          label={t('alerts.filterSeverity')}
          hideLabel
          value={severity}
          onValue={(v) => go(withQuery({ severity: v }))}
          options={[
            ['', `${t('alerts.severity')}: ${t('ui.all')}`],
            ...['2', '3', '4', '5'].map((n) => [n, `${t('alerts.filterSeverity')}: ${t(severityKey(Number(n)))}`] as const),
          ]}
        />
      </div>
      {picked.size > 0 && <BulkBar picked={picked} list={list} clear={() => setPicked(new Set())} />}
      {list.error && <Failure error={list.error} retry={list.reload} />}
      {!list.items.length && list.loading && <Loading lines={8} />}
      {!list.items.length && !list.loading && !list.error && (
        <Empty what={t('alerts.empty')} cure={t('alerts.emptyCure')} />
      )}
      {list.items.length > 0 && (
        <>
          <Table
            label={t('alerts.list')}
            rows={list.items}
            keyOf={(a) => a.id}
            columns={cols}
            onRow={(a) => go(withQuery({ alert: a.id }))}
            chosen={(a) => picked.has(a.id) || a.id === open}
          />
          <p class="rows-foot" role="status">
            {t('ui.shownOf', { n: list.items.length })}
            {list.more && (
              <Button small kind="quiet" onClick={list.loadMore} disabled={list.loading}>
                {t('ui.more')}
              </Button>
            )}
          </p>
        </>
      )}
      {open && (
        <AlertDrawer
          key={open}
          id={open}
          onClose={() => go(withQuery({ alert: null }))}
          onChanged={(a) => list.setItems((items) => items.map((i) => (i.id === a.id ? { ...i, ...a } : i)))}
          fresh={list.items.find((a) => a.id === open) ?? null}
        />
      )}
    </>
  );
}
