// SPDX-License-Identifier: Apache-2.0
//
// A version's way to the hosts: stages of a growing share, first to watch, then to refuse; the proof of
// every host; the way back.

import { useState } from 'preact/hooks';
import { api, seg } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { Policy, PolicyHost, Rollout, Stage as RolloutStage } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { Button, Field, Select, useAction } from '../parts/controls.tsx';
import { Confirm } from '../parts/overlay.tsx';
import { Empty, Failure, Show } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { Ago, Raw, StateTag, Who } from '../parts/text.tsx';
import { may } from './access.ts';
import { Section } from './frame.tsx';

function modeName(mode: string): string {
  return mode === 'monitor' ? t('rollout.mode.monitor') : t('rollout.mode.policy');
}

/** The stages as steps, the present one marked. */
function Steps({ r }: { r: Rollout }) {
  return (
    <ol class="steps">
      {r.stages.map((s, i) => {
        const state = r.state === 'done' || i < r.stage ? 'past' : i === r.stage && r.state !== 'rolled-back' ? 'now' : 'next';
        return (
          <li class={`step step-${state}`} aria-current={state === 'now' ? 'step' : undefined}>
            <b class="num">{s.share} %</b>
            <span>{modeName(s.mode)}</span>
          </li>
        );
      })}
    </ol>
  );
}

function Running({ r, onChanged }: { r: Rollout; onChanged: () => void }) {
  const action = useAction();
  const [back, setBack] = useState(false);
  const post = (what: string) => () =>
    void action.run(async () => {
      await api.post(`rollouts/${seg(r.id)}/${what}`);
      onChanged();
    });
  const last = r.stage + 1 >= r.stages.length;
  const alive = r.state === 'running' || r.state === 'paused';
  return (
    <>
      <p>
        <StateTag state={r.state} table="rollout.state" />{' '}
        {t('rollout.line', {
          n: r.version,
          stage: Math.min(r.stage + 1, r.stages.length),
          stages: r.stages.length,
        })}{' '}
        <span class="faint">
          · <Who text={r.by} /> · <Ago ms={r.created} />
        </span>
      </p>
      <Steps r={r} />
      <p>
        {t('policies.proof', { proved: r.hosts.applied, n: r.hosts.selected })}
        {r.hosts.failed > 0 && <b class="bad-text"> · {t('policies.refused', { n: r.hosts.failed })}</b>}
      </p>
      {r.stopped && (
        <div class="banner" role="status">
          <p>
            <b>{t('rollout.stopped', { n: r.stopped.refused, of: r.stopped.of })}</b>
          </p>
          <p>
            <a href={`/hosts/${seg(r.stopped.host)}`}>
              <Raw text={t('rollout.stoppedSays', { host: r.stopped.host_name })} />
            </a>
            : <Raw text={r.stopped.reason} />
          </p>
          <p>
            <b>{t('ui.cure')}:</b> {t('rollout.stoppedCure')}
          </p>
        </div>
      )}
      {may('operate') && (
        <div class="button-row">
          {r.state === 'running' && (
            <Button kind="main" disabled={action.busy} onClick={post('advance')}>
              {last ? t('rollout.finish') : t('rollout.advance', { n: r.stage + 2 })}
            </Button>
          )}
          {r.state === 'running' && (
            <Button disabled={action.busy} onClick={post('pause')}>
              {t('rollout.pause')}
            </Button>
          )}
          {r.state === 'paused' && (
            <Button kind="main" disabled={action.busy} onClick={post('resume')}>
              {t('rollout.resume')}
            </Button>
          )}
          {(alive || r.state === 'done') && (
            <Button kind="danger" disabled={action.busy} onClick={() => setBack(true)}>
              {t('rollout.rollback')}
            </Button>
          )}
        </div>
      )}
      {action.error && <Failure error={action.error} />}
      {back && (
        <Confirm
          title={t('rollout.rollback')}
          lead={t('rollout.rollbackLead', { n: r.version })}
          go={t('rollout.rollback')}
          onClose={() => setBack(false)}
          onGo={async () => {
            await api.post(`rollouts/${seg(r.id)}/rollback`);
            onChanged();
          }}
        />
      )}
    </>
  );
}

const usual: RolloutStage[] = [
  { share: 10, mode: 'monitor' },
  { share: 100, mode: 'monitor' },
  { share: 10, mode: 'policy' },
  { share: 100, mode: 'policy' },
];

/** Shares grow within a mode; watching comes before refusing. */
export function stagesFine(stages: RolloutStage[]): boolean {
  return stages.every((s, i) => {
    const before = stages[i - 1];
    if (!Number.isInteger(s.share) || s.share < 1 || s.share > 100) return false;
    return !before || s.share > before.share || (before.mode === 'monitor' && s.mode === 'policy');
  });
}

function NewRollout({ policy, onStarted }: { policy: Policy; onStarted: () => void }) {
  const [stages, setStages] = useState(usual);
  const [version, setVersion] = useState(String(policy.version));
  const action = useAction();
  const fine = stages.length > 0 && stagesFine(stages);
  const set = (i: number, change: Partial<RolloutStage>) =>
    setStages(stages.map((s, k) => (k === i ? { ...s, ...change } : s)));
  const start = (e: Event) => {
    e.preventDefault();
    void action.run(async () => {
      await api.post(`policies/${seg(policy.name)}/rollouts`, { version: Number(version), stages });
      onStarted();
    });
  };
  return (
    <form class="form" onSubmit={start}>
      <Select
        label={t('rollout.new')}
        value={version}
        onValue={setVersion}
        options={Array.from({ length: policy.version }, (_, i) => String(policy.version - i)).map((v) => [v, `${t('versions.version')} ${v}`] as const)}
      />
      <fieldset class="stages">
        <legend>{t('rollout.stages')}</legend>
        {stages.map((s, i) => (
          <div class="stage-row" role="group" aria-label={t('rollout.stage', { n: i + 1 })}>
            <span class="stage-no num">{i + 1}</span>
            <Field
              label={t('rollout.share')}
              type="number"
              min={1}
              max={100}
              value={s.share}
              onInput={(e) => set(i, { share: Number(e.currentTarget.value) })}
            />
            <Select
              label={t('rollout.mode')}
              value={s.mode}
              onValue={(mode) => set(i, { mode })}
              options={[
                ['monitor', t('rollout.mode.monitor')],
                ['policy', t('rollout.mode.policy')],
              ]}
            />
            <Button
              kind="quiet"
              icon="close"
              label={t('rollout.removeStage', { n: i + 1 })}
              disabled={stages.length === 1}
              onClick={() => setStages(stages.filter((_, k) => k !== i))}
            />
          </div>
        ))}
        <Button small kind="quiet" icon="enrol" onClick={() => setStages([...stages, { share: 100, mode: 'policy' }])} disabled={stages.length >= 10}>
          {t('rollout.addStage')}
        </Button>
      </fieldset>
      {!fine && <p class="bad-text">{t('rollout.shareBad')}</p>}
      {action.error && <Failure error={action.error} />}
      <div class="form-end">
        <Button type="submit" kind="main" disabled={!fine || action.busy}>
          {t('rollout.start')}
        </Button>
      </div>
    </form>
  );
}

function HostsProof({ name, turn }: { name: string; turn: number }) {
  const data = useData(`policy-hosts ${name} ${turn}`, (signal) =>
    api.get<Page<PolicyHost>>(`policies/${seg(name)}/hosts`, undefined, signal), 5000);
  return (
    <Show data={data} lines={6}>
      {({ items }) =>
        items.length ? (
          <Table
            label={t('rollout.hosts')}
            rows={items}
            keyOf={(h) => h.host}
            columns={[
              {
                key: 'host',
                head: t('hosts.head.host'),
                kind: 'main',
                cell: (h) => (
                  <>
                    <a href={`/hosts/${seg(h.host)}`} data-item>
                      <Raw text={h.name} />
                    </a>
                    {h.reason && (
                      <div class="cell-note">
                        <Raw text={h.reason} />
                      </div>
                    )}
                  </>
                ),
              },
              { key: 'version', head: t('host.version'), kind: 'num', cell: (h) => h.version ?? '–' },
              { key: 'mode', head: t('rollout.mode'), cell: (h) => (h.mode ? modeName(h.mode) : '–') },
              { key: 'state', head: t('ui.state'), cell: (h) => <StateTag state={h.state} table="bundle" /> },
              { key: 'proved', head: t('host.proved'), cell: (h) => <Ago ms={h.proved} /> },
            ]}
          />
        ) : (
          <Empty what={t('rollout.hostsNone')} />
        )
      }
    </Show>
  );
}

export function RolloutPart({ policy, onChanged }: { policy: Policy; onChanged: () => void }) {
  const data = useData(`rollouts ${policy.name}`, (signal) =>
    api.get<Page<Rollout>>('rollouts', { policy: policy.name }, signal), 5000);
  const [turn, setTurn] = useState(0);
  const changed = () => {
    data.reload();
    setTurn(turn + 1);
    onChanged();
  };
  return (
    <Show data={data} lines={6}>
      {({ items }) => {
        const mine = items.filter((r) => r.policy === policy.name).sort((a, b) => b.created - a.created);
        const present = mine[0];
        const busy = present && (present.state === 'running' || present.state === 'paused');
        return (
          <>
            <Section title={t('policy.tab.rollout')}>
              {present ? <Running r={present} onChanged={changed} /> : <Empty what={t('rollout.none')} cure={t('rollout.noneCure')} />}
            </Section>
            {may('operate') && !busy && (
              <Section title={t('rollout.new')}>
                <NewRollout policy={policy} onStarted={changed} />
              </Section>
            )}
            <Section title={t('rollout.hosts')}>
              <HostsProof name={policy.name} turn={turn} />
            </Section>
            {mine.length > 1 && (
              <Section title={t('rollout.history')}>
                <Table
                  label={t('rollout.history')}
                  rows={mine.slice(1)}
                  keyOf={(r) => r.id}
                  columns={[
                    { key: 'version', head: t('host.version'), kind: 'num', cell: (r) => r.version },
                    { key: 'state', head: t('ui.state'), cell: (r) => <StateTag state={r.state} table="rollout.state" /> },
                    { key: 'by', head: t('ui.by'), cell: (r) => <Who text={r.by} /> },
                    { key: 'created', head: t('ui.created'), kind: 'main', cell: (r) => <Ago ms={r.created} /> },
                  ]}
                />
              </Section>
            )}
          </>
        );
      }}
    </Show>
  );
}
