// SPDX-License-Identifier: Apache-2.0
//
// Hosts that hold a certificate of this server but are not in its database, as after an older backup was put back.
// They are refused until somebody who knows them takes them in again.

import { api, seg } from '../api/client.ts';
import { useList } from '../api/data.ts';
import type { Host, Stranger } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t } from '../i18n/index.ts';
import { Button, useAction } from '../parts/controls.tsx';
import { Failure } from '../parts/states.tsx';
import { Table } from '../parts/table.tsx';
import { Ago, Raw } from '../parts/text.tsx';
import { may } from './access.ts';
import { Section } from './frame.tsx';

export function Strangers({ onAdopted }: { onAdopted: () => void }) {
  const sees = may('administer') || may('audit');
  const list = useList(
    sees ? 'strangers' : null,
    (cursor, signal) => api.get<Page<Stranger>>('strangers', { cursor, limit: 100 }, signal),
    60_000,
  );
  const action = useAction();
  const adopt = (s: Stranger) =>
    void action.run(async () => {
      await api.post<Host>(`strangers/${seg(s.id)}/adopt`, {});
      list.reload();
      onAdopted();
    });
  if (!list.items.length) return null;
  return (
    <Section title={t('strangers.title')} lead={t('strangers.lead')}>
      {action.error && <Failure error={action.error} />}
      <Table
        label={t('strangers.title')}
        rows={list.items}
        keyOf={(s) => s.id}
        columns={[
          { key: 'name', head: t('hosts.head.host'), kind: 'name', cell: (s) => <Raw text={s.name} /> },
          { key: 'os', head: t('hosts.head.system'), cell: (s) => <Raw text={s.os} /> },
          { key: 'address', head: t('audit.address'), cell: (s) => <Raw text={s.address} mono /> },
          { key: 'id', head: t('host.id'), cell: (s) => <Raw text={s.id} mono /> },
          { key: 'seen', head: t('hosts.head.seen'), cell: (s) => <Ago ms={s.last_seen} /> },
          {
            key: 'do',
            head: <span class="sr">{t('ui.actions')}</span>,
            kind: 'act',
            cell: (s) =>
              may('administer') && (
                <Button small disabled={action.busy} onClick={() => adopt(s)}>
                  {t('strangers.adopt')}
                </Button>
              ),
          },
        ]}
      />
      {list.more && (
        <Button small kind="quiet" onClick={list.loadMore}>
          {t('ui.more')}
        </Button>
      )}
    </Section>
  );
}
