// SPDX-License-Identifier: Apache-2.0
//
// One alert: what it is, the record behind it with its processes, what people said, and what to do.

import { useState } from 'preact/hooks';
import { api, seg, session } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type {
  Alert,
  AlertChange,
  AlertDetail,
  AlertNote,
  AlertStatus,
  Condition,
  EventDetail as EventFull,
  Event as EventRow,
  ExceptionProposal,
  HostDetail,
  PolicyDetail,
} from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { absolute } from '../lib/time.ts';
import { Button, Select, TextArea, useAction } from '../parts/controls.tsx';
import { Dialog, Drawer } from '../parts/overlay.tsx';
import { Failure, Loading, Show } from '../parts/states.tsx';
import { Ago, At, Raw, StateTag, Who } from '../parts/text.tsx';
import { go } from '../router.ts';
import { may } from './access.ts';
import { conditionCure, Conditions, conditionTitle } from './conditions.tsx';
import { takeToEditor } from './draft.ts';
import { RecordBody } from './record.tsx';
import { DiffView, PolicyText } from './yamltext.tsx';

/** The newest record of the alert, in full; the others as a line each. */
function Records({ alert }: { alert: Alert }) {
  const list = useData(`alert-events ${alert.id} ${alert.count}`, (signal) =>
    api.get<Page<EventRow>>(`alerts/${seg(alert.id)}/events`, { limit: 20 }, signal),
  );
  const first = list.value?.items[0]?.id ?? null;
  const full = useData(first ? `event ${first}` : null, (signal) =>
    api.get<EventFull>(`events/${seg(first as string)}`, undefined, signal),
  );
  if (list.error) return <Failure error={list.error} retry={list.reload} />;
  if (!list.value) return <Loading lines={8} />;
  if (!first) return <p class="faint">{t('alert.noRecords')}</p>;
  return (
    <>
      <Show data={full} lines={8}>
        {(e) => <RecordBody e={e} narrow={null} />}
      </Show>
      {list.value.items.length > 1 && (
        <section class="part">
          <h3>{t('alert.records')}</h3>
          <ul class="brief">
            {list.value.items.map((r) => (
              <li key={r.id}>
                <a href={`/records?record=${seg(r.id)}`}>
                  <At ms={r.time} />
                </a>
                <span class="brief-note">
                  <Raw text={r.message} max={160} />
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

/** Of an alert about a host: how that is now, and what to do. */
function HostNow({ alert, condition }: { alert: Alert; condition: Condition }) {
  const data = useData(`host ${alert.host}`, (signal) => api.get<HostDetail>(`hosts/${seg(alert.host)}`, undefined, signal));
  return (
    <section class="part">
      <h3>{conditionTitle(condition)}</h3>
      <p>
        <Raw text={alert.title} />
      </p>
      <p>
        <b>{t('ui.cure')}:</b> {conditionCure(condition, alert.cure ?? '')}
      </p>
      <h3>{t('alert.hostNow')}</h3>
      <Show data={data} lines={3}>
        {({ host }) => (
          <>
            <p>
              <a href={`/hosts/${seg(host.id)}`}>
                <Raw text={host.name} />
              </a>{' '}
              <StateTag state={host.state} table="host.state" />{' '}
              <span class="faint">
                {t('host.seen')}: <Ago ms={host.last_seen} />
              </span>
            </p>
            <Conditions h={host} but={condition} />
          </>
        )}
      </Show>
    </section>
  );
}

/** What the server notes is said in the language of the page. */
function Note({ note }: { note: AlertNote }) {
  if (note.kind === 'over') return <>{t('alert.noteOver')}</>;
  if (note.kind === 'seen-again') return <>{t('alert.noteAgain')}</>;
  return <Raw text={note.text} />;
}

function Comments({ alert, notes, onAdded }: { alert: Alert; notes: AlertNote[]; onAdded: (d: AlertDetail) => void }) {
  const [text, setText] = useState('');
  const action = useAction();
  const onSubmit = async (e: Event) => {
    e.preventDefault();
    const done = await action.run(async () =>
      onAdded(await api.post<AlertDetail>(`alerts/${seg(alert.id)}/comments`, { text: text.trim() })),
    );
    if (done) setText('');
  };
  return (
    <section class="part">
      <h3>{t('alert.comments')}</h3>
      {!notes.length && <p class="faint">{t('alert.noComments')}</p>}
      <ul class="comments">
        {notes.map((c) => (
          <li class={`note-${c.kind}`}>
            <b>
              <Who text={c.by} />
            </b>{' '}
            <span class="faint">
              <Ago ms={c.time} />
            </span>
            <div class="comment-text">
              <Note note={c} />
            </div>
          </li>
        ))}
      </ul>
      {may('operate') && (
        <form class="form" onSubmit={onSubmit}>
          <TextArea label={t('alert.comment')} value={text} onValue={setText} rows={2} />
          {action.error && <Failure error={action.error} />}
          <div class="form-end">
            <Button type="submit" disabled={!text.trim() || action.busy}>
              {t('alert.commentGo')}
            </Button>
          </div>
        </form>
      )}
    </section>
  );
}

const scopes = ['path', 'program', 'user'] as const;

function ExceptionDialog({ alert, onClose }: { alert: Alert; onClose: () => void }) {
  const [reason, setReason] = useState('');
  const [scope, setScope] = useState<(typeof scopes)[number]>('path');
  const [made, setMade] = useState<ExceptionProposal | null>(null);
  const current = useData(made ? `policy ${made.policy}` : null, (signal) =>
    api.get<PolicyDetail>(`policies/${seg(made?.policy ?? '')}`, undefined, signal),
  );
  const action = useAction();
  const preview = () =>
    void action.run(async () =>
      setMade(await api.post<ExceptionProposal>(`alerts/${seg(alert.id)}/exception`, { reason: reason.trim(), scope })),
    );
  const onOpen = () => {
    if (!made) return;
    takeToEditor(made.policy, made.text, reason.trim());
    go(`/policies?name=${seg(made.policy)}`);
  };
  return (
    <Dialog title={t('alert.exception')} onClose={onClose} wide>
      <div class="form">
        <p>{t('alert.exceptionLead')}</p>
        <Select
          label={t('alert.exceptionScope')}
          value={scope}
          onValue={(v) => (setScope(v), setMade(null))}
          options={scopes.map((s) => [s, t(`alert.scope.${s}`)] as const)}
        />
        <TextArea label={t('alert.exceptionReason')} value={reason} onValue={setReason} rows={2} />
        {action.error && <Failure error={action.error} />}
        {made && (
          <>
            <p>{t('alert.exceptionText', { policy: made.policy })}</p>
            {current.value ? <DiffView before={current.value.text} after={made.text} /> : <PolicyText text={made.text} />}
          </>
        )}
        <div class="form-end">
          <Button onClick={onClose}>{t('ui.cancel')}</Button>
          <Button onClick={preview} kind={made ? undefined : 'main'} disabled={!reason.trim() || action.busy}>
            {t('alert.exceptionPreview')}
          </Button>
          {made && (
            <Button kind="main" onClick={onOpen}>
              {t('alert.exceptionOpen')}
            </Button>
          )}
        </div>
      </div>
    </Dialog>
  );
}

function Actions({ alert, onSet, onException }: { alert: Alert; onSet: (change: AlertChange) => void; onException: () => void }) {
  if (!may('operate')) return <p class="faint">{t('alerts.readOnly')}</p>;
  const me = session.get();
  const to = (status: AlertStatus) => () => onSet({ status });
  return (
    <div class="button-row">
      {alert.status === 'new' && (
        <Button kind="main" onClick={to('acknowledged')}>
          {t('alerts.ack')}
        </Button>
      )}
      {alert.status !== 'resolved' && <Button onClick={to('resolved')}>{t('alerts.resolve')}</Button>}
      {alert.status !== 'false-positive' && <Button onClick={to('false-positive')}>{t('alerts.false')}</Button>}
      {(alert.status === 'resolved' || alert.status === 'false-positive') && (
        <Button onClick={to('new')}>{t('alerts.reopen')}</Button>
      )}
      {me && alert.owner !== me.user && <Button onClick={() => onSet({ owner: me.user })}>{t('alerts.take')}</Button>}
      {alert.rule && <Button onClick={onException}>{t('alert.exception')}</Button>}
    </div>
  );
}

export function AlertDrawer(props: { id: string; fresh: Alert | null; onClose: () => void; onChanged: (a: Alert) => void }) {
  const { id, fresh } = props;
  // A key may have changed it in the list meanwhile: then it is asked for again.
  const data = useData(`alert ${id} ${fresh?.status ?? ''} ${fresh?.owner ?? ''}`, (signal) =>
    api.get<AlertDetail>(`alerts/${seg(id)}`, undefined, signal),
  );
  const [asks, setAsks] = useState(false);
  const action = useAction();
  const set = (change: AlertChange) =>
    void action.run(async () => {
      const next = await api.patch<AlertDetail>(`alerts/${seg(id)}`, change);
      data.set(next);
      props.onChanged(next.alert);
    });
  return (
    <Drawer title={t('alert.title')} onClose={props.onClose}>
      <Show data={data} lines={12}>
        {({ alert: a, history, exception }) => (
          <>
            <section class="part">
              <p class="headline">
                <StateTag state={a.status} table="alerts.status" />
                <span>
                  {t('alerts.owner')}: {a.owner ? <Raw text={a.owner} /> : t('alerts.nobody')}
                </span>
              </p>
              <p class="faint">
                {t('alert.seen', { n: a.count, first: absolute(a.first_seen), last: absolute(a.last_seen) })}
              </p>
              <Actions alert={a} onSet={set} onException={() => setAsks(true)} />
              {action.error && <Failure error={action.error} />}
              {exception && (
                <p>
                  <Raw text={t('alert.exceptionMade', { text: `${exception.policy}: ${exception.reason ?? ''}` })} />
                </p>
              )}
            </section>
            {a.condition ? <HostNow alert={a} condition={a.condition} /> : <Records alert={a} />}
            <Comments alert={a} notes={history} onAdded={data.set} />
            {asks && <ExceptionDialog alert={a} onClose={() => setAsks(false)} />}
          </>
        )}
      </Show>
    </Drawer>
  );
}
