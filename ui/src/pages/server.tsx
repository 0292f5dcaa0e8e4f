// SPDX-License-Identifier: Apache-2.0
//
// How the server itself is.

import { api, clockOffset, serverNow } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { ServerHealth } from '../api/types.ts';
import { t } from '../i18n/index.ts';
import { bytes, count, percent, short } from '../lib/num.ts';
import { plain } from '../lib/text.ts';
import { duration } from '../lib/time.ts';
import { Empty, Show } from '../parts/states.tsx';
import { Ago, At, Fact, StateTag } from '../parts/text.tsx';
import { PageHead, Section } from './frame.tsx';
import { Problems } from './problems.tsx';

function Facts({ s }: { s: ServerHealth }) {
  const off = clockOffset.get();
  return (
    <dl class="facts facts-wide">
      <Fact name={t('ui.state')}>
        <StateTag state={s.state} table="server.state" />
      </Fact>
      <Fact name={t('server.version')}>{plain(s.version)}</Fact>
      <Fact name={t('server.started')}>
        <Ago ms={s.started} />
      </Fact>
      <Fact name={t('server.clock')}>
        <At ms={serverNow()} full />{' '}
        {off !== 0 && <span class="warn-text">{t('server.clockOff', { time: duration(off) })}</span>}
      </Fact>
      <Fact name={`${t('server.cpu')}, ${t('server.memory')}`}>
        <span class="num">
          {percent(s.cpu_permille)} · {bytes(s.rss)}
        </span>
      </Fact>
      <Fact name={t('server.certificate')}>
        <Ago ms={s.certificate_expires} />
      </Fact>
      <Fact name={t('server.ca')}>
        <Ago ms={s.ca_expires} />
      </Fact>
    </dl>
  );
}

/** A number, in a warning colour when it should be none. */
function N({ n, bad }: { n: number; bad?: boolean }) {
  return <span class={bad && n > 0 ? 'num warn-text' : 'num'}>{count(n)}</span>;
}

function Ingest({ s }: { s: ServerHealth }) {
  const i = s.ingest;
  return (
    <dl class="facts">
      <Fact name={t('server.ingest')}>
        <span class="num">{short(i.per_s)}</span>
      </Fact>
      <Fact name={t('server.received')}>
        <N n={i.records} />
      </Fact>
      <Fact name={t('server.waiting')}>
        <N n={i.waiting} />
      </Fact>
      <Fact name={t('server.duplicates')}>
        <N n={i.duplicates} />
      </Fact>
      <Fact name={t('server.missing')}>
        <N n={i.missing} bad />
      </Fact>
      <Fact name={t('server.unreadable')}>
        <N n={i.unreadable} bad />
      </Fact>
      <Fact name={t('server.refused')}>
        <N n={i.refused} bad />
      </Fact>
    </dl>
  );
}

function Store({ s }: { s: ServerHealth }) {
  return (
    <dl class="facts">
      <Fact name={t('server.records')}>
        <N n={s.store.records} />
      </Fact>
      <Fact name={t('server.size')}>
        <span class="num">{bytes(s.store.bytes)}</span>
      </Fact>
      <Fact name={t('server.free')}>
        <span class="num">{bytes(s.store.free_bytes)}</span>
      </Fact>
      <Fact name={t('server.oldest')}>
        <Ago ms={s.store.oldest_ms} never={t('ui.none')} />
      </Fact>
    </dl>
  );
}

function Http({ s }: { s: ServerHealth }) {
  const h = s.http;
  return (
    <dl class="facts">
      <Fact name={t('server.connections')}>
        <N n={h.connections} />
      </Fact>
      <Fact name={t('server.coming')}>
        <N n={h.coming} />
      </Fact>
      <Fact name={t('server.agents')}>
        <N n={h.parked} />
      </Fact>
      <Fact name={t('server.live')}>
        <N n={h.events} />
      </Fact>
      <Fact name={t('server.requests')}>
        <N n={h.requests} />
      </Fact>
      <Fact name={t('server.errors')}>
        <span class="num">
          {count(h.errors_4xx)} / {count(h.errors_5xx)}
        </span>
      </Fact>
      <Fact name={t('server.busy')}>
        <N n={h.refused_busy} bad />
      </Fact>
      <Fact name={t('server.refusedAddress')}>
        <N n={h.refused_address} bad />
      </Fact>
    </dl>
  );
}

export function ServerPage() {
  const data = useData('server', (signal) => api.get<ServerHealth>('server', undefined, signal), 5000);
  return (
    <>
      <PageHead title={t('server.title')} />
      <Show data={data} lines={8}>
        {(s) => (
          <>
            <Facts s={s} />
            <Section title={t('host.problems')}>
              {s.problems.length ? <Problems rows={s.problems} /> : <Empty what={t('server.allWell')} />}
            </Section>
            <div class="columns">
              <Section title={t('server.part.ingest')}>
                <Ingest s={s} />
              </Section>
              <Section title={t('server.part.store')}>
                <Store s={s} />
              </Section>
              <Section title={t('server.part.http')}>
                <Http s={s} />
              </Section>
            </div>
          </>
        )}
      </Show>
    </>
  );
}
