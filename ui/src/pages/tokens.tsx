// SPDX-License-Identifier: Apache-2.0
//
// Tokens for programs that use the API.

import { useState } from 'preact/hooks';
import { api, seg, session } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { Role, Token, TokenMade } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { DAY } from '../lib/time.ts';
import { Button, Copyable, Field, Select } from '../parts/controls.tsx';
import { Confirm, Dialog, FormDialog } from '../parts/overlay.tsx';
import { Empty, Show } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { Ago, Raw } from '../parts/text.tsx';
import { PageHead } from './frame.tsx';
import { RolePicker } from './users.tsx';

const days = ['1', '7', '30', '90', '365'] as const;

function NewToken({ onClose, onMade }: { onClose: () => void; onMade: (made: TokenMade) => void }) {
  const me = session.get();
  const [name, setName] = useState('');
  const [valid, setValid] = useState<(typeof days)[number]>('90');
  const [roles, setRoles] = useState<Role[]>(me ? me.roles.slice(0, 1) : []);
  return (
    <FormDialog
      title={t('tokens.new')}
      go={t('ui.create')}
      disabled={!name.trim() || !roles.length}
      onClose={onClose}
      onGo={async () =>
        onMade(await api.post<TokenMade>('tokens', { name: name.trim(), roles, expires_in: Number(valid) * DAY }))
      }
    >
      <Field label={t('tokens.name')} value={name} onInput={(e) => setName(e.currentTarget.value)} />
      <Select label={t('tokens.expiresIn')} value={valid} onValue={setValid} options={days.map((d) => [d, t('tokens.days', { n: Number(d) })] as const)} />
      <RolePicker value={roles} onValue={setRoles} strict={false} />
    </FormDialog>
  );
}

export function TokensPage() {
  const data = useData('tokens', (signal) => api.get<Page<Token>>('tokens', undefined, signal));
  const [asks, setAsks] = useState(false);
  const [made, setMade] = useState<TokenMade | null>(null);
  const [ends, setEnds] = useState<Token | null>(null);
  return (
    <>
      <PageHead title={t('tokens.title')} lead={t('tokens.lead')}>
        <Button kind="main" onClick={() => setAsks(true)}>
          {t('tokens.new')}
        </Button>
      </PageHead>
      <Show data={data} lines={5}>
        {({ items }) =>
          items.length ? (
            <Table
              label={t('tokens.list')}
              rows={items}
              keyOf={(k) => k.id}
              columns={[
                { key: 'name', head: t('tokens.name'), kind: 'main', cell: (k) => <Raw text={k.name} /> },
                { key: 'owner', head: t('tokens.owner'), cell: (k) => <Raw text={k.user} /> },
                { key: 'roles', head: t('users.roles'), cell: (k) => k.roles.map((r) => t(`role.${r}`)).join(', ') },
                { key: 'used', head: t('tokens.lastUsed'), cell: (k) => <Ago ms={k.last_used} /> },
                { key: 'expires', head: t('tokens.expires'), cell: (k) => <Ago ms={k.expires} /> },
                {
                  key: 'do',
                  head: <span class="sr">{t('ui.actions')}</span>,
                  kind: 'act',
                  cell: (k) => (
                    <Button small kind="danger" onClick={() => setEnds(k)}>
                      {t('tokens.revoke')}
                    </Button>
                  ),
                },
              ]}
            />
          ) : (
            <Empty what={t('tokens.empty')} cure={t('tokens.emptyCure')} />
          )
        }
      </Show>
      {asks && (
        <NewToken
          onClose={() => setAsks(false)}
          onMade={(k) => {
            setMade(k);
            data.reload();
          }}
        />
      )}
      {made && (
        <Dialog title={made.token.name} onClose={() => setMade(null)}>
          <p>{t('tokens.once')}</p>
          <Copyable text={made.text} label={t('tokens.title')} />
        </Dialog>
      )}
      {ends && (
        <Confirm
          title={t('tokens.revoke')}
          lead={`${ends.name}: ${t('tokens.revokeLead')}`}
          go={t('tokens.revoke')}
          onClose={() => setEnds(null)}
          onGo={async () => {
            await api.delete(`tokens/${seg(ends.id)}`);
            data.reload();
          }}
        />
      )}
    </>
  );
}
