// SPDX-License-Identifier: Apache-2.0
//
// The policies: which hosts they select, which version they run, and whether it is proved there.

import { api, seg } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { Policy } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { Empty, Show } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { Ago, Raw, StateTag, Who } from '../parts/text.tsx';
import { go, usePlace } from '../router.ts';
import { may } from './access.ts';
import { PageHead } from './frame.tsx';
import { PolicyPage } from './policy.tsx';

function Proof({ p }: { p: Policy }) {
  const { selected, applied, failed } = p.hosts;
  return (
    <>
      <Raw text={p.selector || t('policies.selectsAll')} />
      <div class="cell-note">
        {t('policies.proof', { proved: applied, n: selected })}
        {failed > 0 && <b class="bad-text"> · {t('policies.refused', { n: failed })}</b>}
      </div>
      <span class="meter" aria-hidden="true">
        <i class="meter-good" style={{ width: `${selected ? (100 * applied) / selected : 0}%` }} />
        <i class="meter-bad" style={{ width: `${selected ? (100 * failed) / selected : 0}%` }} />
      </span>
    </>
  );
}

function PolicyList() {
  const data = useData('policies', (signal) => api.get<Page<Policy>>('policies', undefined, signal), 20_000);
  return (
    <>
      <PageHead title={t('policies.title')} lead={may('operate') ? '' : t('policies.readOnly')}>
        {may('operate') && (
          <a class="button button-main" href="/policies?new=1">
            {t('policies.new')}
          </a>
        )}
      </PageHead>
      <Show data={data} lines={8}>
        {({ items }) =>
          items.length ? (
            <Table
              label={t('policies.list')}
              rows={items}
              keyOf={(p) => p.name}
              onRow={(p) => go(`/policies?name=${seg(p.name)}`)}
              columns={[
                {
                  key: 'name',
                  head: t('policies.head.policy'),
                  kind: 'main',
                  cell: (p) => (
                    <>
                      <a href={`/policies?name=${seg(p.name)}`} data-item>
                        <Raw text={p.name} />
                      </a>
                      <div class="cell-note">
                        <Raw text={p.comment} max={160} />
                      </div>
                    </>
                  ),
                },
                { key: 'version', head: t('policies.head.version'), kind: 'num', cell: (p) => p.version },
                { key: 'hosts', head: t('policies.head.selects'), cell: (p) => <Proof p={p} /> },
                {
                  key: 'rollout',
                  head: t('policies.head.rollout'),
                  cell: (p) =>
                    p.rollout ? (
                      <>
                        <StateTag state={p.rollout.state} table="rollout.state" />
                        <div class="cell-note">
                          {t('host.version')} {p.rollout.version} · {Math.min(p.rollout.stage + 1, p.rollout.stages.length)}/
                          {p.rollout.stages.length}
                        </div>
                      </>
                    ) : (
                      <span class="faint">{t('policies.selectsNone')}</span>
                    ),
                },
                {
                  key: 'updated',
                  head: t('policies.head.changed'),
                  cell: (p) => (
                    <>
                      <Ago ms={p.changed} />
                      <div class="cell-note">
                        <Who text={p.author} />
                      </div>
                    </>
                  ),
                },
              ]}
            />
          ) : (
            <Empty what={t('policies.empty')} cure={t('policies.emptyCure')}>
              {may('operate') && (
                <a class="button button-main" href="/policies?new=1">
                  {t('policies.new')}
                </a>
              )}
            </Empty>
          )
        }
      </Show>
    </>
  );
}

export function PoliciesPage() {
  const { query } = usePlace();
  const name = query.get('name');
  if (name) return <PolicyPage key={name} name={name} />;
  if (query.get('new') && may('operate')) return <PolicyPage key="" name={null} />;
  return <PolicyList />;
}
