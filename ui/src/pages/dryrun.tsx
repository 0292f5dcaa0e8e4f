// SPDX-License-Identifier: Apache-2.0
//
// What a text would have done with what was recorded.

import { useState } from 'preact/hooks';
import { api, serverNow } from '../api/client.ts';
import type { PolicyDryrunResult as DryRun, TopItem } from '../api/types.ts';
import { t } from '../i18n/index.ts';
import { count } from '../lib/num.ts';
import { parseTime } from '../lib/time.ts';
import { Button, Segments, useAction } from '../parts/controls.tsx';
import { Failure, Loading } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { At, OutcomeTag, Path, Raw } from '../parts/text.tsx';
import { Section } from './frame.tsx';

function Items({ name, items }: { name: string; items: TopItem[] }) {
  return (
    <Table
      label={name}
      plain
      rows={items}
      keyOf={(i) => i.key}
      columns={[
        { key: 'k', head: name, kind: 'main', cell: (i) => <Path text={i.label || i.key} /> },
        { key: 'n', head: t('overview.count'), kind: 'num', cell: (i) => count(i.count) },
      ]}
    />
  );
}

function Result({ r }: { r: DryRun }) {
  return (
    <div class="dryrun" role="status">
      <p class={r.denied ? 'dryrun-said dryrun-denies' : 'dryrun-said'}>
        {r.denied ? t('dryrun.result', { denied: r.denied, programs: r.programs.length }) : t('dryrun.nothing')}
      </p>
      <p>{t('dryrun.of', { n: r.records, changed: r.changed, audited: r.audited })}</p>
      {r.denied > 0 && (
        <div class="columns">
          <Items name={t('dryrun.programs')} items={r.programs} />
          <Items name={t('dryrun.paths')} items={r.paths} />
        </div>
      )}
      {r.samples.length > 0 && (
        <>
          <h3>{t('dryrun.samples')}</h3>
          <ul class="brief">
            {r.samples.map((s) => (
              <li key={s.event}>
                <a href={`/records?record=${encodeURIComponent(s.event)}`}>
                  <At ms={s.time} />
                </a>
                <span class="brief-note">
                  <OutcomeTag outcome={s.was} /> → <OutcomeTag outcome={s.now} /> <Path text={s.program} /> <Path text={s.path} />{' '}
                  {s.rule && (
                    <span class="faint">
                      {t('field.rule')} <Raw text={s.rule} />
                    </span>
                  )}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      {r.truncated && <p class="warn-text">{t('records.truncated')}</p>}
      <p class="faint">{t('dryrun.limits')}</p>
    </div>
  );
}

export function DryRunPart({ name, text, broken }: { name: string; text: string; broken: boolean }) {
  const [range, setRange] = useState<'-24h' | '-7d' | '-30d'>('-24h');
  const [result, setResult] = useState<DryRun | null>(null);
  const action = useAction();
  const ranges = [
    ['-24h', t('records.range24h')],
    ['-7d', t('records.range7d')],
    ['-30d', t('records.range30d')],
  ] as const;
  const go = () =>
    void action.run(async () => {
      setResult(null);
      setResult(await api.post<DryRun>('policies/dryrun', { name, text, from: parseTime(range, Math.round(serverNow())) }));
    });
  return (
    <Section
      title={t('dryrun.title')}
      lead={t('dryrun.lead')}
      actions={<Segments label={t('dryrun.range')} value={range} onValue={setRange} options={ranges} />}
    >
      <div class="button-row">
        <Button onClick={go} disabled={action.busy || broken}>
          {t('dryrun.go', { range: ranges.find(([r]) => r === range)?.[1] ?? '' })}
        </Button>
      </div>
      {action.busy && (
        <>
          <p>{t('dryrun.running')}</p>
          <Loading lines={2} />
        </>
      )}
      {action.error && <Failure error={action.error} />}
      {result && <Result r={result} />}
    </Section>
  );
}
