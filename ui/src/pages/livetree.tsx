// SPDX-License-Identifier: Apache-2.0
//
// What runs on a host, as it says itself when it is asked: a tree, searched, with one process of it found.

import { useMemo, useState } from 'preact/hooks';
import { api, seg } from '../api/client.ts';
import { useLive } from '../api/data.ts';
import type { LiveProcess, LiveProcesses } from '../api/types.ts';
import { t } from '../i18n/index.ts';
import { asNodes, findProcesses } from '../lib/answers.ts';
import { count } from '../lib/num.ts';
import { plain } from '../lib/text.ts';
import { ProcTree } from '../parts/proctree.tsx';
import { SearchBox } from '../parts/search.tsx';
import { Empty, Show } from '../parts/states.tsx';
import { Raw } from '../parts/text.tsx';
import { go, withQuery } from '../router.ts';
import { Section } from './frame.tsx';
import { LiveSays } from './livesays.tsx';

const EVERY = 5000;

/** What deserves a look. */
function Marks({ p }: { p: LiveProcess | undefined }) {
  if (!p) return null;
  return (
    <>
      {p.deleted && <span class="ptree-mark ptree-mark-warn">{t('proc.mark.deleted')}</span>}
      {p.foreign && <span class="ptree-mark ptree-mark-warn">{t('proc.mark.foreign')}</span>}
      {p.container && (
        <span class="ptree-mark">
          <Raw text={t('proc.mark.container', { id: plain(p.container, 12) })} max={60} />
        </span>
      )}
      {p.login_user && p.login_user !== p.user && (
        <span class="ptree-mark">
          <Raw text={t('proc.mark.login', { user: p.login_user })} max={60} />
        </span>
      )}
    </>
  );
}

function Tree({ answer, self, find, kernel }: { answer: LiveProcesses; self: string | null; find: string; kernel: boolean }) {
  const seen = useMemo(() => (kernel ? answer.nodes : answer.nodes.filter((p) => !p.kernel_thread)), [answer, kernel]);
  const { shown, found } = useMemo(() => findProcesses(seen, find), [seen, find]);
  const by = useMemo(() => new Map(shown.map((p) => [p.uid, p] as const)), [shown]);
  const nodes = useMemo(() => asNodes(shown), [shown]);
  if (!seen.length && answer.live.answered === null) return null;
  const here = self !== null && answer.nodes.some((p) => p.uid === self);
  return (
    <>
      {self !== null && !here && answer.live.state === 'answered' && <p class="warn-text">{t('procs.liveGone')}</p>}
      <p class="rows-foot" role="status">
        {find ? t('procs.liveFound', { n: count(found.size), all: count(seen.length) }) : t('procs.liveCount', { n: seen.length })}
        {answer.truncated && <strong> · {t('procs.cutLive')}</strong>}
      </p>
      {nodes.length ? (
        <ProcTree nodes={nodes} host={answer.host} self={here ? self : null} label={t('procs.liveTree')} all={find !== ''} note={(uid) => <Marks p={by.get(uid)} />} />
      ) : (
        <Empty what={t('procs.liveNone')} />
      )}
    </>
  );
}

/** `self`: the entity of a process that is to be found in it. */
export function LiveTree({ host, self, find }: { host: string; self: string | null; find: string }) {
  const [paused, setPaused] = useState(false);
  const [kernel, setKernel] = useState(false);
  const data = useLive(
    `live ${host}`,
    (signal) => api.get<LiveProcesses>(`hosts/${seg(host)}/live/processes`, undefined, signal),
    () => EVERY,
    paused,
  );
  const kernels = data.value?.nodes.filter((p) => p.kernel_thread).length ?? 0;
  return (
    <Section
      title={t('procs.liveTree')}
      lead={t('procs.liveLead')}
      actions={
        kernels > 0 && (
          <label class="check">
            <input type="checkbox" checked={kernel} onChange={(e) => setKernel(e.currentTarget.checked)} />
            {t('procs.kernel')} <span class="faint num">({count(kernels)})</span>
          </label>
        )
      }
    >
      <Show data={data} lines={10}>
        {(answer) => (
          <>
            <LiveSays live={answer.live} loading={data.loading} every={EVERY} paused={paused} onPause={setPaused} onAgain={data.reload} />
            <div class="filterbar">
              <SearchBox label={t('procs.liveFind')} hint={t('procs.liveFindHint')} text={find} onSearch={(text) => go(withQuery({ find: text.trim() }))} />
            </div>
            <Tree answer={answer} self={self} find={find} kernel={kernel} />
          </>
        )}
      </Show>
    </Section>
  );
}
