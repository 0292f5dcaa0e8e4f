// SPDX-License-Identifier: Apache-2.0
//
// One policy: its text with what the server says about it, its versions, its way to the hosts.

import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, api, seg } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { Policy, PolicyDetail } from '../api/types.ts';
import { t } from '../i18n/index.ts';
import { Button, Field, notify, Segments, useAction } from '../parts/controls.tsx';
import { Confirm, FormDialog } from '../parts/overlay.tsx';
import { Failure, Show } from '../parts/states.tsx';
import { Raw, Who } from '../parts/text.tsx';
import { go, guardLeaving, guardUnload, usePlace, withQuery } from '../router.ts';
import { may } from './access.ts';
import { takeDraft } from './draft.ts';
import { DryRunPart } from './dryrun.tsx';
import { Editor, useCheck } from './editor.tsx';
import { PageHead, Section } from './frame.tsx';
import { RolloutPart } from './rollout.tsx';
import { VersionsPart } from './versions.tsx';
import { DiffView } from './yamltext.tsx';

type Tab = 'text' | 'versions' | 'rollout';

const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\.yaml$/;

const template = `safeguard: 1
name: example
mode: monitor

subjects:
  editors: {exe: /usr/bin/vim.basic, user: root}

files:
  - {path: /etc/example/**, access: write, not_by: editors, do: deny}
`;

/** Nothing is lost by a wrong click: asks before a page with unsaved text is left. */
function useGuard(dirty: boolean): void {
  const now = useRef(dirty);
  now.current = dirty;
  useEffect(() => {
    guardLeaving(() => !now.current || confirm(t('policy.leave')));
    guardUnload(() => !now.current);
    return () => {
      guardLeaving(null);
      guardUnload(null);
    };
  }, []);
}

interface Conflict {
  theirs: PolicyDetail;
}

function ConflictNote({ conflict, text, onTake }: { conflict: Conflict; text: string; onTake: () => void }) {
  const [shows, setShows] = useState(false);
  const { theirs } = conflict;
  return (
    <div class="failure" role="alert">
      <p class="failure-what">
        <Raw text={t('policy.conflict', { who: theirs.policy.author.replace(/^user:/, ''), n: theirs.policy.version })} />
      </p>
      <div class="button-row">
        <Button onClick={() => setShows(!shows)}>{t('policy.conflictShow')}</Button>
        <Button onClick={onTake}>{t('policy.conflictTake', { n: theirs.policy.version })}</Button>
      </div>
      {shows && <DiffView before={theirs.text} after={text} />}
    </div>
  );
}

function useSave(d: PolicyDetail, text: string, comment: string, onSaved: (d: PolicyDetail) => void) {
  const { name, version } = d.policy;
  const [base, setBase] = useState(version);
  const [conflict, setConflict] = useState<Conflict | null>(null);
  const action = useAction();
  const save = () =>
    action.run(async () => {
      try {
        const saved = await api.put<PolicyDetail>(`policies/${seg(name)}`, { text, comment: comment.trim(), base });
        setBase(saved.policy.version);
        setConflict(null);
        notify(t('policy.saved', { n: saved.policy.version }));
        onSaved(saved);
      } catch (e) {
        if (!(e instanceof ApiError) || e.status !== 409) throw e;
        setConflict({ theirs: await api.get<PolicyDetail>(`policies/${seg(name)}`) });
      }
    });
  const take = () => {
    if (conflict) setBase(conflict.theirs.policy.version);
    setConflict(null);
  };
  return { base, conflict, action, save, take };
}

function TextTab({ detail, onSaved }: { detail: PolicyDetail; onSaved: (d: PolicyDetail) => void }) {
  const { name } = detail.policy;
  const [draft] = useState(() => takeDraft(name));
  const [text, setText] = useState(draft?.text ?? detail.text);
  const [comment, setComment] = useState(draft?.comment ?? '');
  const { query } = usePlace();
  const check = useCheck(name, text);
  const mayEdit = may('operate');
  const dirty = text !== detail.text;
  useGuard(dirty && mayEdit);
  const { base, conflict, action, save, take } = useSave(detail, text, comment, (d) => {
    setComment('');
    onSaved(d);
  });
  const broken = check.text === text && (check.value?.errors ?? 0) > 0;
  const ready = dirty && !broken && comment.trim() !== '' && !action.busy;
  const onSubmit = (e: Event) => {
    e.preventDefault();
    if (ready) void save();
  };
  const onKey = (e: KeyboardEvent) => {
    if ((e.ctrlKey || e.metaKey) && e.key === 's') onSubmit(e);
  };
  return (
    <div onKeyDown={onKey}>
      <Editor text={text} onValue={setText} check={check} readOnly={!mayEdit} line={Number(query.get('line') ?? 0)} />
      {mayEdit && (
        <form class="savebar" onSubmit={onSubmit}>
          <Field label={t('policy.comment')} value={comment} required={dirty} onInput={(e) => setComment(e.currentTarget.value)} />
          <Button type="submit" kind="main" disabled={!ready}>
            {t('policy.save', { n: base + 1 })}
          </Button>
          {broken && dirty && <p class="bad-text savebar-note">{t('policy.saveErrors')}</p>}
        </form>
      )}
      {conflict && <ConflictNote conflict={conflict} text={text} onTake={take} />}
      {action.error && <Failure error={action.error} />}
      {dirty && (
        <Section title={t('versions.with', { a: base, b: base + 1 })}>
          <DiffView before={detail.text} after={text} />
        </Section>
      )}
      <DryRunPart name={name} text={text} broken={broken} />
    </div>
  );
}

function NewPolicy() {
  const [name, setName] = useState('50-example.yaml');
  const [selector, setSelector] = useState('');
  const [comment, setComment] = useState('');
  const [text, setText] = useState(template);
  const [saved, setSaved] = useState(false);
  const check = useCheck(name, text);
  const action = useAction();
  useGuard(!saved && text !== template);
  const named = nameForm.test(name);
  const broken = check.text === text && (check.value?.errors ?? 0) > 0;
  const onSubmit = async (e: Event) => {
    e.preventDefault();
    const done = await action.run(async () => {
      await api.post('policies', { name, text, selector, comment: comment.trim() });
    });
    if (!done) return;
    setSaved(true);
    guardLeaving(null);
    notify(t('policy.created'));
    go(`/policies?name=${seg(name)}&tab=rollout`);
  };
  return (
    <>
      <PageHead title={t('policies.new')}>
        <a class="button" href="/policies">
          {t('policy.back')}
        </a>
      </PageHead>
      <form class="form form-columns" onSubmit={onSubmit} id="new-policy">
        <Field label={t('policy.name')} value={name} error={named ? null : t('policy.nameBad')} onInput={(e) => setName(e.currentTarget.value)} />
        <Field label={t('policy.selector')} value={selector} onInput={(e) => setSelector(e.currentTarget.value)} />
      </form>
      <Editor text={text} onValue={setText} check={check} readOnly={false} />
      <form class="savebar" onSubmit={onSubmit}>
        <Field label={t('policy.comment')} value={comment} required onInput={(e) => setComment(e.currentTarget.value)} />
        <Button type="submit" kind="main" disabled={!named || broken || !comment.trim() || action.busy}>
          {t('ui.create')}
        </Button>
      </form>
      {action.error && <Failure error={action.error} />}
      <DryRunPart name={name} text={text} broken={broken} />
    </>
  );
}

function SelectorDialog({ policy, onClose, onDone }: { policy: Policy; onClose: () => void; onDone: () => void }) {
  const [selector, setSelector] = useState(policy.selector);
  return (
    <FormDialog
      title={t('policy.selectorSave')}
      go={t('ui.save')}
      onClose={onClose}
      onGo={async () => {
        await api.patch(`policies/${seg(policy.name)}`, { selector: selector.trim() });
        onDone();
      }}
    >
      <Field label={t('policy.selector')} value={selector} onInput={(e) => setSelector(e.currentTarget.value)} />
    </FormDialog>
  );
}

function Known({ name }: { name: string }) {
  const { query } = usePlace();
  const wanted = query.get('tab');
  const tab: Tab = wanted === 'versions' || wanted === 'rollout' ? wanted : 'text';
  const data = useData(`policy ${name}`, (signal) => api.get<PolicyDetail>(`policies/${seg(name)}`, undefined, signal));
  const [asks, setAsks] = useState<'' | 'selector' | 'delete'>('');
  const close = () => setAsks('');
  return (
    <>
      <PageHead title={<Raw text={name} />}>
        <a class="button" href="/policies">
          {t('policy.back')}
        </a>
        {may('operate') && <Button onClick={() => setAsks('selector')}>{t('policy.selectorSave')}</Button>}
        {may('operate') && (
          <Button kind="danger" onClick={() => setAsks('delete')}>
            {t('ui.delete')}
          </Button>
        )}
      </PageHead>
      <Segments
        label={t('policies.head.policy')}
        value={tab}
        onValue={(v) => go(withQuery({ tab: v === 'text' ? null : v, line: null, a: null, b: null }))}
        options={[
          ['text', t('policy.tab.text')],
          ['versions', t('policy.tab.versions')],
          ['rollout', t('policy.tab.rollout')],
        ]}
      />
      <Show data={data} lines={12}>
        {(detail) => {
          const p = detail.policy;
          return (
          <>
            <p class="faint">
              {t('policies.head.selects')}: <Raw text={p.selector || t('policies.selectsAll')} /> · {t('host.version')}{' '}
              {p.version} · <Who text={p.author} />
            </p>
            {/* The text stays while another tab is looked at. */}
            <div hidden={tab !== 'text'}>
              <TextTab detail={detail} onSaved={data.set} key={query.get('take') ?? ''} />
            </div>
            {tab === 'versions' && <VersionsPart policy={p} />}
            {tab === 'rollout' && <RolloutPart policy={p} onChanged={data.reload} />}
            {asks === 'selector' && <SelectorDialog policy={p} onClose={close} onDone={data.reload} />}
            {asks === 'delete' && (
              <Confirm
                title={t('policy.delete')}
                lead={t('policy.deleteLead')}
                go={t('policy.delete')}
                word={name}
                onClose={close}
                onGo={async () => {
                  await api.delete(`policies/${seg(name)}`);
                  guardLeaving(null);
                  go('/policies');
                }}
              />
            )}
          </>
          );
        }}
      </Show>
    </>
  );
}

export function PolicyPage({ name }: { name: string | null }) {
  return name === null ? <NewPolicy /> : <Known name={name} />;
}
