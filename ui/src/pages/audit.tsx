// SPDX-License-Identifier: Apache-2.0
//
// Who did what on the server.

import { useState } from 'preact/hooks';
import { api, apiUrl } from '../api/client.ts';
import { useList } from '../api/data.ts';
import type { AuditEntry } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { Button, Field, Segments } from '../parts/controls.tsx';
import { Empty, Failure, Loading } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { At, Raw, Who } from '../parts/text.tsx';
import { go, usePlace, withQuery } from '../router.ts';
import { PageHead } from './frame.tsx';

function Detail({ value }: { value: unknown }) {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    return <Raw text={value === null || value === undefined ? '' : String(value)} max={400} />;
  const rows = Object.entries(value).filter(([, v]) => v !== null);
  if (!rows.length) return <Raw text="" />;
  return (
    <>
      {rows.map(([k, v]) => (
        <div key={k}>
          <span class="faint">
            <Raw text={k} />
          </span>{' '}
          <Raw text={typeof v === 'string' ? v : JSON.stringify(v)} max={400} />
        </div>
      ))}
    </>
  );
}

export function AuditPage() {
  const { query } = usePlace();
  const from = query.get('from') ?? '-7d';
  const actor = query.get('actor') ?? '';
  const action = query.get('action') ?? '';
  const [who, setWho] = useState(actor);
  const [what, setWhat] = useState(action);
  const asked = { from, actor, action };
  const list = useList(`audit ${from} ${actor} ${action}`, (cursor, signal) =>
    api.get<Page<AuditEntry>>('audit', { ...asked, cursor, limit: 200 }, signal),
  );
  const onSubmit = (e: Event) => {
    e.preventDefault();
    go(withQuery({ actor: who.trim(), action: what.trim() }));
  };
  return (
    <>
      <PageHead title={t('audit.title')}>
        <a class="button" href={apiUrl('audit/export', { from })} download="audit.ndjson">
          {t('audit.export')}
        </a>
      </PageHead>
      <form class="filterbar" role="search" onSubmit={onSubmit}>
        <Field label={t('audit.actor')} type="search" value={who} onInput={(e) => setWho(e.currentTarget.value)} />
        <Field label={t('audit.action')} type="search" value={what} onInput={(e) => setWhat(e.currentTarget.value)} />
        <Button type="submit">{t('ui.search')}</Button>
        <Segments
          label={t('records.range')}
          value={from}
          onValue={(v) => go(withQuery({ from: v }))}
          options={[
            ['-24h', t('records.range24h')],
            ['-7d', t('records.range7d')],
            ['-30d', t('records.range30d')],
          ]}
        />
      </form>
      {list.error && <Failure error={list.error} retry={list.reload} />}
      {!list.items.length && list.loading && <Loading lines={8} />}
      {!list.items.length && !list.loading && !list.error && <Empty what={t('audit.empty')} cure={t('audit.emptyCure')} />}
      {list.items.length > 0 && (
        <>
          <Table
            label={t('audit.list')}
            rows={list.items}
            keyOf={(r) => String(r.id)}
            columns={[
              { key: 'time', head: t('ui.time'), cell: (r) => <At ms={r.time} full /> },
              { key: 'actor', head: t('audit.actor'), cell: (r) => <Who text={r.actor} /> },
              { key: 'action', head: t('audit.action'), cell: (r) => <Raw text={r.action} /> },
              { key: 'object', head: t('audit.object'), cell: (r) => <Raw text={r.object} /> },
              { key: 'detail', head: t('audit.detail'), kind: 'main', cell: (r) => <Detail value={r.detail} /> },
              { key: 'address', head: t('audit.address'), cell: (r) => <Raw text={r.address} mono /> },
            ]}
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
    </>
  );
}
