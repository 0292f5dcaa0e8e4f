// SPDX-License-Identifier: Apache-2.0
//
// One record in full: what happened, who did it, which rule spoke, the processes behind it, the record
// itself. Every value can narrow the search.

import type { ComponentChildren } from 'preact';
import { api, seg } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { OcsfRecord } from '../api/ocsf.ts';
import type { EventDetail as EventFull } from '../api/types.ts';
import { t } from '../i18n/index.ts';
import { withValue, type Field as FilterField, type Filters } from '../lib/filters.ts';
import { count } from '../lib/num.ts';
import { activityKey, classKey } from '../lib/ocsf.ts';
import { processHref } from '../lib/proctree.ts';
import { shapeOf } from '../lib/shape.ts';
import { plain } from '../lib/text.ts';
import { absolute, duration } from '../lib/time.ts';
import { processTree } from '../lib/tree.ts';
import { Button, copy, notify } from '../parts/controls.tsx';
import { Json } from '../parts/json.tsx';
import { Drawer } from '../parts/overlay.tsx';
import { Show } from '../parts/states.tsx';
import { Ago, At, Fact, OutcomeTag, Path, Raw, SeverityTag } from '../parts/text.tsx';
import { ProcessTree } from '../parts/tree.tsx';
import { sentence } from './sentence.ts';

function recordOf(e: EventFull): OcsfRecord | null {
  return shapeOf(e.record);
}

export type Narrow = ((kind: 'only' | 'not', field: FilterField, value: string) => void) | null;

/** A fact whose value can be searched for, or left out. */
function Sought(props: { name: string; field: FilterField; value: string | null | undefined; narrow: Narrow; children: ComponentChildren; more?: ComponentChildren }) {
  const { field, value, narrow } = props;
  const what = `${t(`field.${field}`)} ${plain(value ?? '', 60)}`;
  return (
    <Fact name={props.name}>
      {props.children}
      {narrow && value && (
        <span class="narrow">
          <button type="button" onClick={() => narrow('only', field, value)}>
            {t('records.only')}
            <span class="sr">: {what}</span>
          </button>
          <button type="button" onClick={() => narrow('not', field, value)}>
            {t('records.notThis')}
            <span class="sr">: {what}</span>
          </button>
        </span>
      )}
      {props.more}
    </Fact>
  );
}

function When({ e }: { e: EventFull }) {
  const late = e.received - e.time;
  const r = recordOf(e);
  return (
    <>
      <Fact name={t('record.when')}>
        <At ms={e.time} full /> <span class="faint">({t('record.hostClock')})</span> · <Ago ms={e.time} />
        {r?.start_time !== undefined && r.end_time !== undefined && e.count > 1 && (
          <div>
            {t('record.times', { n: e.count, from: absolute(r.start_time), to: absolute(r.end_time) })}
          </div>
        )}
      </Fact>
      <Fact name={t('record.received')}>
        <At ms={e.received} full />{' '}
        <span class={late < -2000 || late > 300_000 ? 'warn-text' : 'faint'}>
          {t(late < 0 ? 'record.skewBack' : 'record.skew', { time: duration(late) })}
        </span>
      </Fact>
    </>
  );
}

function Who({ e, narrow }: { e: EventFull; narrow: Narrow }) {
  const record = recordOf(e);
  const actor = record?.actor;
  const p = actor?.process;
  const session = actor?.session;
  const href = processHref(e.host, p?.uid);
  const login = actor?.user?.name ?? actor?.user?.uid;
  const runsAs = p?.user?.name ?? p?.user?.uid ?? (login ? null : e.user);
  return (
    <dl class="facts">
      <Sought name={t('field.program')} field="program" value={e.program} narrow={narrow}>
        <Path text={p?.file?.path ?? e.program ?? p?.name} /> {p?.pid !== undefined && <span class="faint num">pid {p.pid}</span>}
        {href && (
          <>
            {' '}
            <a class="quiet-link" href={href}>
              {t('proc.open')}
            </a>
          </>
        )}
        {p?.file?.is_deleted && <span class="warn-text"> {t('record.deleted')}</span>}
      </Sought>
      {p?.cmd_line && (
        <Fact name={t('record.command')}>
          <Path text={p.cmd_line} />
        </Fact>
      )}
      {/* The column is one of the two: what can be searched for is the one that it holds. */}
      <Sought name={t('record.runsAs')} field="user" value={runsAs === e.user ? e.user : null} narrow={narrow}>
        <Raw text={runsAs} />
      </Sought>
      {login && (
        <Sought name={t('record.loginUser')} field="user" value={runsAs !== e.user ? e.user : null} narrow={narrow}>
          <Raw text={login} />
        </Sought>
      )}
      {session && (
        <Fact name={t('record.session')}>
          <Raw text={[session.issuer, session.uid].filter(Boolean).join(' ')} />
          {session.is_remote && <span class="warn-text"> {t('record.remote')}</span>}
        </Fact>
      )}
      {p?.container && (
        <Fact name={t('record.container')}>
          <Raw text={[p.container.runtime, p.container.uid, p.container.orchestrator].filter(Boolean).join(' · ')} mono />
        </Fact>
      )}
      {record?.unmapped?.cgroup && (
        <Fact name={t('record.cgroup')}>
          <Path text={record.unmapped.cgroup} />
        </Fact>
      )}
      <Sought name={t('field.host')} field="host" value={e.host} narrow={narrow}>
        <a href={`/hosts/${seg(e.host)}`}>
          <Raw text={e.host_name} />
        </a>
      </Sought>
    </dl>
  );
}

/** /etc/safeguard/policies/50-web.yaml is the policy 50-web.yaml here. */
function policyFile(r: OcsfRecord | null, fallback: string | null): string {
  const file = r?.unmapped?.rule_file ?? '';
  return file.slice(file.lastIndexOf('/') + 1) || fallback || '';
}

function Rule({ e, narrow }: { e: EventFull; narrow: Narrow }) {
  const r = recordOf(e);
  const u = r?.unmapped;
  const file = policyFile(r, e.policy);
  if (!e.rule && !e.policy && !u?.rule_file) return <p class="faint">{t('record.ruleNone')}</p>;
  return (
    <dl class="facts">
      <Sought name={t('field.rule')} field="rule" value={e.rule} narrow={narrow}>
        <Raw text={e.rule} />
      </Sought>
      <Sought
        name={t('field.policy')}
        field="policy"
        value={e.policy}
        narrow={narrow}
        more={
          <>
            {u?.rule_file && (
              <div>
                <Path text={u.rule_file} />
                {u.rule_line !== undefined && `, ${t('record.ruleAt', { line: u.rule_line })}`}
              </div>
            )}
            {file.endsWith('.yaml') && (
              <div>
                <a href={`/policies?name=${seg(file)}${u?.rule_line ? `&line=${u.rule_line}` : ''}`}>
                  {t('record.openPolicy')}
                </a>
              </div>
            )}
          </>
        }
      >
        <Raw text={e.policy} />
      </Sought>
      {u?.hook && (
        <Fact name={t('record.hook')}>
          <code>{plain(u.hook)}</code>
        </Fact>
      )}
      {u?.mode && (
        <Fact name={t('record.mode')}>
          <Raw text={u.mode} />
        </Fact>
      )}
    </dl>
  );
}

/** Shared with the alerts, which show their record the same way. */
export function RecordBody({ e, narrow }: { e: EventFull; narrow: Narrow }) {
  const r = recordOf(e);
  const access = r?.unmapped?.access;
  const nodes = processTree(r, e.process_tree);
  const said = sentence(e, e.message);
  return (
    <>
      <section class="part">
        <p class="headline">
          <OutcomeTag outcome={e.outcome} /> <SeverityTag n={e.severity} />
          {e.count > 1 && <b class="num"> {t('records.merged', { n: count(e.count) })}</b>}
        </p>
        <p class="message">
          <Raw text={said} />
        </p>
        {said !== e.message && (
          <p class="faint" lang="en">
            <Raw text={e.message} />
          </p>
        )}
        <dl class="facts">
          <When e={e} />
          {e.path && (
            <Sought name={t('record.object')} field="path" value={e.path} narrow={narrow}>
              <Path text={e.path} />
            </Sought>
          )}
          {r?.file_result?.path && (
            <Fact name={t('record.target')}>
              <Path text={r.file_result.path} />
            </Fact>
          )}
          <Sought name={t('record.access')} field="class" value={String(e.class)} narrow={narrow}>
            {t(activityKey(e.class, e.activity))}
            {Array.isArray(access) && access.length > 0 && <span class="faint"> ({plain(access.join(', '))})</span>} ·{' '}
            {t(classKey(e.class))}
          </Sought>
        </dl>
      </section>
      <section class="part">
        <h3>{t('record.who')}</h3>
        <Who e={e} narrow={narrow} />
        <h3>{t('record.tree')}</h3>
        <ProcessTree nodes={nodes} host={e.host} />
      </section>
      <section class="part">
        <h3>{t('record.rule')}</h3>
        <Rule e={e} narrow={narrow} />
      </section>
      <details class="part">
        <summary>{t('record.raw')}</summary>
        {r ? (
          <Json value={e.record} />
        ) : (
          <>
            <p class="faint">{t('record.rawNone')}</p>
            {e.raw && (
              <pre class="json" tabIndex={0}>
                <Raw text={e.raw} max={20_000} />
              </pre>
            )}
          </>
        )}
      </details>
    </>
  );
}

export function RecordDrawer(props: { id: string; onClose: () => void; filters?: Filters; setFilters?: (f: Filters) => void }) {
  const data = useData(`event ${props.id}`, (signal) => api.get<EventFull>(`events/${seg(props.id)}`, undefined, signal));
  const { filters, setFilters } = props;
  const narrow: Narrow =
    filters && setFilters ? (kind, field, value) => setFilters(withValue(filters, kind, field, value)) : null;
  const onLink = async () => {
    if (await copy(location.href)) notify(t('ui.copied'));
  };
  return (
    <Drawer
      title={t('record.title')}
      onClose={props.onClose}
      actions={<Button kind="quiet" icon="link" label={t('record.link')} onClick={() => void onLink()} />}
    >
      <Show data={data} lines={12}>
        {(e) => <RecordBody e={e} narrow={narrow} />}
      </Show>
    </Drawer>
  );
}
