// SPDX-License-Identifier: Apache-2.0
//
// The versions of a policy, and what changed between two of them.

import { api, seg } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { Policy, PolicyVersion, PolicyVersionDetail } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { Button, Select } from '../parts/controls.tsx';
import { Show } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { Ago, Raw, Who } from '../parts/text.tsx';
import { go, usePlace, withQuery } from '../router.ts';
import { may } from './access.ts';
import { takeToEditor } from './draft.ts';
import { Section } from './frame.tsx';
import { DiffView, PolicyText } from './yamltext.tsx';

function useVersion(name: string, n: number) {
  return useData(n > 0 ? `version ${name} ${n}` : null, (signal) =>
    api.get<PolicyVersionDetail>(`policies/${seg(name)}/versions/${n}`, undefined, signal),
  );
}

function Compared({ policy, a, b }: { policy: Policy; a: number; b: number }) {
  const before = useVersion(policy.name, a);
  const after = useVersion(policy.name, b);
  const take = () => {
    takeToEditor(policy.name, after.value?.text ?? '', t('versions.restore', { n: b }));
    go(withQuery({ tab: null, a: null, b: null, take: String(Date.now()) }));
  };
  return (
    <Show data={after} lines={8}>
      {(v) => (
        <>
          {may('operate') && b !== policy.version && (
            <div class="button-row">
              <Button onClick={take}>{t('versions.restore', { n: b })}</Button>
            </div>
          )}
          {a > 0 ? (
            <Show data={before} lines={8}>
              {(u) => <DiffView before={u.text} after={v.text} />}
            </Show>
          ) : (
            <PolicyText text={v.text} />
          )}
        </>
      )}
    </Show>
  );
}

export function VersionsPart({ policy }: { policy: Policy }) {
  const { query } = usePlace();
  const data = useData(`versions ${policy.name} ${policy.version}`, (signal) =>
    api.get<Page<PolicyVersion>>(`policies/${seg(policy.name)}/versions`, undefined, signal),
  );
  const b = Number(query.get('b') ?? policy.version);
  const a = Number(query.get('a') ?? Math.max(0, b - 1));
  const choose = (x: number, y: number) => go(withQuery({ a: String(x), b: String(y) }), true);
  return (
    <Show data={data} lines={6}>
      {({ items }) => {
        const options = items.map((v) => [String(v.version), `${t('versions.version')} ${v.version}`] as const);
        return (
          <>
            <Table
              label={t('versions.list')}
              rows={items}
              keyOf={(v) => String(v.version)}
              onRow={(v) => choose(Math.max(0, v.version - 1), v.version)}
              chosen={(v) => v.version === b}
              columns={[
                {
                  key: 'version',
                  head: t('versions.version'),
                  kind: 'num',
                  cell: (v) => (
                    <a href={withQuery({ a: String(Math.max(0, v.version - 1)), b: String(v.version) })} data-item>
                      {v.version}
                    </a>
                  ),
                },
                { key: 'comment', head: t('versions.comment'), kind: 'main', cell: (v) => <Raw text={v.comment} max={300} /> },
                { key: 'author', head: t('versions.author'), cell: (v) => <Who text={v.author} /> },
                { key: 'created', head: t('ui.created'), cell: (v) => <Ago ms={v.created} /> },
              ]}
            />
            <Section
              title={t('versions.with', { a, b })}
              actions={
                <>
                  <Select label={t('records.from')} hideLabel value={String(a)} options={[['0', '–'], ...options]} onValue={(v) => choose(Number(v), b)} />
                  <Select label={t('records.to')} hideLabel value={String(b)} options={options} onValue={(v) => choose(a, Number(v))} />
                </>
              }
            >
              <Compared policy={policy} a={a} b={b} />
            </Section>
          </>
        );
      }}
    </Show>
  );
}
