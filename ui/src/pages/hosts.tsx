// SPDX-License-Identifier: Apache-2.0
//
// The enrolled hosts: which protect themselves, which do not, and why.

import { api, seg } from '../api/client.ts';
import { useList } from '../api/data.ts';
import type { Host, HostState } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { bytes, count, percent } from '../lib/num.ts';
import { Button, Select } from '../parts/controls.tsx';
import { SearchBox } from '../parts/search.tsx';
import { Empty, Failure, Loading } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { Ago, Labels, Raw, StateTag } from '../parts/text.tsx';
import { go, usePlace, withQuery } from '../router.ts';
import { may } from './access.ts';
import { HostReason } from './conditions.tsx';
import { DefenceTag } from './defence.tsx';
import { PageHead } from './frame.tsx';
import { Strangers } from './strangers.tsx';

const states: HostState[] = ['ok', 'degraded', 'silent', 'cloned', 'revoked', 'retired'];

function HostTable({ items }: { items: Host[] }) {
  return (
    <Table
      label={t('hosts.list')}
      rows={items}
      keyOf={(h) => h.id}
      onRow={(h) => go(`/hosts/${seg(h.id)}`)}
      columns={[
        {
          key: 'host',
          head: t('hosts.head.host'),
          kind: 'name',
          cell: (h) => (
            <>
              <a href={`/hosts/${seg(h.id)}`} data-item>
                <Raw text={h.name} />
              </a>
              <HostReason h={h} />
            </>
          ),
        },
        { key: 'state', head: t('ui.state'), cell: (h) => <StateTag state={h.state} table="host.state" /> },
        { key: 'defence', head: t('hosts.head.defence'), cell: (h) => <DefenceTag d={h.defence} /> },
        { key: 'seen', head: t('hosts.head.seen'), cell: (h) => <Ago ms={h.last_seen} /> },
        { key: 'policies', head: t('hosts.head.policies'), cell: (h) => <StateTag state={h.bundle.state} table="bundle" /> },
        {
          key: 'denials',
          head: t('hosts.head.denials'),
          kind: 'num',
          cell: (h) =>
            h.denials_24h > 0 ? (
              <a href={`/records?host=${seg(h.id)}&outcome=denied`}>{count(h.denials_24h)}</a>
            ) : (
              <span class="faint">0</span>
            ),
        },
        { key: 'labels', head: t('hosts.head.labels'), cell: (h) => <Labels labels={h.labels} link /> },
        {
          key: 'system',
          head: t('hosts.head.system'),
          cell: (h) => (
            <>
              <Raw text={h.os} />
              <div class="cell-note">
                <Raw text={`${h.kernel} ${h.arch}`} />
              </div>
            </>
          ),
        },
        {
          key: 'agent',
          head: t('hosts.head.agent'),
          cell: (h) => (
            <>
              <span class="num">
                <Raw text={h.version} />
              </span>
              <div class="cell-note num">
                {percent(h.cpu_permille)} · {bytes(h.rss)}
              </div>
            </>
          ),
        },
      ]}
    />
  );
}

export function HostsPage() {
  const { query } = usePlace();
  const state = query.get('state') ?? '';
  const label = query.get('label') ?? '';
  const q = query.get('q') ?? '';
  const asked = [...label.split(','), q].filter(Boolean).join(' ');
  const key = `hosts ${state} ${label} ${q}`;
  const list = useList(
    key,
    (cursor, signal) => api.get<Page<Host>>('hosts', { state, label, q, cursor, limit: 200 }, signal),
    30_000,
  );
  const search = (text: string) => {
    const words = text.split(/\s+/).filter(Boolean);
    const labels = words.filter((w) => w.includes('='));
    go(withQuery({ label: labels.join(','), q: words.filter((w) => !w.includes('=')).join(' ') }));
  };
  const narrowed = state || label || q;
  return (
    <>
      <PageHead title={t('hosts.title')}>
        {may('administer') && (
          <a class="button button-main" href="/enrol">
            {t('hosts.enrol')}
          </a>
        )}
      </PageHead>
      <div class="filterbar">
        <SearchBox label={t('hosts.search')} hint={`${t('hosts.search')}  env=prod`} text={asked} onSearch={search} />
        <Select
          label={t('ui.state')}
          hideLabel
          value={state}
          onValue={(v) => go(withQuery({ state: v }))}
          options={[
            ['', `${t('ui.state')}: ${t('ui.all')}`],
            ...(state.includes(',') ? [[state, state] as const] : []),
            ...states.map((s) => [s as string, t(`host.state.${s}`)] as const),
          ]}
        />
      </div>
      {list.error && <Failure error={list.error} retry={list.reload} />}
      {!list.items.length && list.loading && <Loading lines={8} />}
      {!list.items.length && !list.loading && !list.error && (
        <Empty
          what={t(narrowed ? 'hosts.empty' : 'overview.start')}
          cure={t(narrowed ? 'hosts.emptyCure' : 'overview.startText')}
        >
          {!narrowed && may('administer') && (
            <a class="button button-main" href="/enrol">
              {t('hosts.enrol')}
            </a>
          )}
        </Empty>
      )}
      {list.items.length > 0 && (
        <>
          <HostTable items={list.items} />
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
      <Strangers onAdopted={list.reload} />
    </>
  );
}
