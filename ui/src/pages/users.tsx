// SPDX-License-Identifier: Apache-2.0
//
// Users and the three powers that one person should not hold together.

import { useState } from 'preact/hooks';
import { api, seg, session } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { Role, User, UserMade } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { Button, Copyable, Field, notify } from '../parts/controls.tsx';
import { Confirm, Dialog, FormDialog } from '../parts/overlay.tsx';
import { Show } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { Ago, Raw } from '../parts/text.tsx';
import { may } from './access.ts';
import { PageHead, Section } from './frame.tsx';

const roles: Role[] = ['viewer', 'operator', 'admin', 'auditor'];
const powers: Role[] = ['operator', 'admin', 'auditor'];

/** At the most one of the three powers. */
export function apart(list: Role[]): boolean {
  return list.filter((r) => powers.includes(r)).length <= 1;
}

export function RolePicker({ value, onValue, strict }: { value: Role[]; onValue: (r: Role[]) => void; strict: boolean }) {
  const toggle = (r: Role) => onValue(value.includes(r) ? value.filter((x) => x !== r) : [...value, r]);
  return (
    <fieldset class="roles">
      <legend>{t('users.roles')}</legend>
      {roles.map((r) => (
        <label class="check" key={r}>
          <input type="checkbox" checked={value.includes(r)} onChange={() => toggle(r)} />
          <span>
            <b>{t(`role.${r}`)}</b>
            <span class="hint">{t(`users.power.${r}`)}</span>
          </span>
        </label>
      ))}
      {strict && !apart(value) && (
        <p class="bad-text" role="alert">
          {t('users.apart')}
        </p>
      )}
    </fieldset>
  );
}

function NewUser({ onClose, onMade }: { onClose: () => void; onMade: (made: UserMade) => void }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [list, setList] = useState<Role[]>(['viewer']);
  return (
    <FormDialog
      title={t('users.new')}
      go={t('ui.create')}
      disabled={!name || (password !== '' && password.length < 12) || !list.length || !apart(list)}
      onClose={onClose}
      onGo={async () => {
        const made = await api.post<UserMade>('users', { name, roles: list, ...(password ? { password } : {}) });
        notify(t('users.made', { name }));
        onMade(made);
      }}
    >
      <Field label={t('users.name')} value={name} autocomplete="off" autocapitalize="none" onInput={(e) => setName(e.currentTarget.value)} />
      <Field
        label={t('users.password')}
        type="password"
        autocomplete="new-password"
        minLength={12}
        value={password}
        onInput={(e) => setPassword(e.currentTarget.value)}
      />
      <RolePicker value={list} onValue={setList} strict />
    </FormDialog>
  );
}

function EditUser({ user, strict, onClose, onDone }: { user: User; strict: boolean; onClose: () => void; onDone: () => void }) {
  const [list, setList] = useState<Role[]>(user.roles);
  const [password, setPassword] = useState('');
  const [enabled, setEnabled] = useState(user.enabled);
  return (
    <FormDialog
      title={user.name}
      go={t('ui.save')}
      disabled={!list.length || (strict && !apart(list)) || (password !== '' && password.length < 12)}
      onClose={onClose}
      onGo={async () => {
        await api.patch(`users/${seg(user.name)}`, { roles: list, enabled, ...(password ? { password } : {}) });
        onDone();
      }}
    >
      <RolePicker value={list} onValue={setList} strict={strict} />
      <label class="check">
        <input type="checkbox" checked={enabled} onChange={(e) => setEnabled(e.currentTarget.checked)} />
        {t('users.enabled')}
      </label>
      <Field
        label={`${t('users.setPassword')} (${t('ui.optional')})`}
        type="password"
        autocomplete="new-password"
        value={password}
        onInput={(e) => setPassword(e.currentTarget.value)}
      />
    </FormDialog>
  );
}

function Powers() {
  return (
    <Section title={t('users.powers')} lead={t('users.powersLead')}>
      <ul class="powers">
        {[...powers, 'viewer' as const].map((r) => (
          <li key={r} class={`power power-${r}`}>
            {t(`users.power.${r}`)}
          </li>
        ))}
      </ul>
    </Section>
  );
}

export function UsersPage() {
  const data = useData('users', (signal) => api.get<Page<User>>('users', undefined, signal));
  const [asks, setAsks] = useState<{ what: 'new' | 'edit' | 'delete'; user?: User } | null>(null);
  const [made, setMade] = useState<UserMade | null>(null);
  const me = session.get();
  const close = () => setAsks(null);
  return (
    <>
      <PageHead title={t('users.title')}>
        {may('administer') && (
          <Button kind="main" onClick={() => setAsks({ what: 'new' })}>
            {t('users.new')}
          </Button>
        )}
      </PageHead>
      <Show data={data} lines={5}>
        {({ items }) => (
          <Table
            label={t('users.list')}
            rows={items}
            keyOf={(u) => u.name}
            columns={[
              {
                key: 'name',
                head: t('users.name'),
                kind: 'name',
                cell: (u) => (
                  <>
                    <Raw text={u.name} />{' '}
                    {!u.enabled && <span class="bad-text">{t('users.disabled')} </span>}
                    {!u.has_password && <span class="faint">{t('users.codesOnly')} </span>}
                    {me && me.user === u.name && <span class="faint">({t('users.you')})</span>}
                  </>
                ),
              },
              { key: 'roles', head: t('users.roles'), cell: (u) => u.roles.map((r) => t(`role.${r}`)).join(', ') },
              { key: 'login', head: t('users.lastLogin'), cell: (u) => <Ago ms={u.last_login} /> },
              { key: 'created', head: t('ui.created'), cell: (u) => <Ago ms={u.created} /> },
              {
                key: 'do',
                head: <span class="sr">{t('ui.actions')}</span>,
                kind: 'act',
                cell: (u) =>
                  may('administer') && (
                    <span class="button-row">
                      <Button small onClick={() => setAsks({ what: 'edit', user: u })}>
                        {t('ui.edit')}
                      </Button>
                      {me && me.user !== u.name && (
                        <Button small kind="danger" onClick={() => setAsks({ what: 'delete', user: u })}>
                          {t('ui.delete')}
                        </Button>
                      )}
                    </span>
                  ),
              },
            ]}
          />
        )}
      </Show>
      <Powers />
      {asks?.what === 'new' && (
        <NewUser
          onClose={close}
          onMade={(m) => {
            setMade(m);
            data.reload();
          }}
        />
      )}
      {made?.password && (
        <Dialog title={made.user.name} onClose={() => setMade(null)}>
          <p>{t('tokens.once')}</p>
          <Copyable text={made.password} label={t('login.password')} />
        </Dialog>
      )}
      {asks?.what === 'edit' && asks.user && (
        <EditUser user={asks.user} strict={(data.value?.items.length ?? 0) > 1} onClose={close} onDone={data.reload} />
      )}
      {asks?.what === 'delete' && asks.user && (
        <Confirm
          title={t('ui.delete')}
          lead={t('users.deleteLead', { name: asks.user.name })}
          go={t('ui.delete')}
          word={asks.user.name}
          onClose={close}
          onGo={async () => {
            await api.delete(`users/${seg(asks.user?.name ?? '')}`);
            data.reload();
          }}
        />
      )}
    </>
  );
}
