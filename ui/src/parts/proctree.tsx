// SPDX-License-Identifier: Apache-2.0
//
// A tree of processes whose branches open and close, by mouse and by keys. Each leads to its page.

import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { serverNow } from '../api/client.ts';
import type { ProcessNode } from '../api/types.ts';
import { t } from '../i18n/index.ts';
import { count } from '../lib/num.ts';
import { branches, openAtFirst, processHref, ranFor, treeKey, treeRows, type TreeRow } from '../lib/proctree.ts';
import { duration } from '../lib/time.ts';
import { go } from '../router.ts';
import { At, Raw, StateTag } from './text.tsx';

/** To the page of a process; the text alone where it has none. */
export function ProcessLink(props: { host: string; uid: string | null | undefined; title?: string; inTree?: boolean; children: ComponentChildren }) {
  const href = processHref(props.host, props.uid);
  if (!href) return <>{props.children}</>;
  return (
    <a href={href} title={props.title} tabIndex={props.inTree ? -1 : undefined}>
      {props.children}
    </a>
  );
}

function Life({ node }: { node: ProcessNode }) {
  const ran = ranFor(node, serverNow());
  const bad = node.exit_code !== null && node.exit_code !== 0;
  return (
    <span class="ptree-life">
      {node.started !== null && <At ms={node.started} />}
      {ran !== null && <span class="num">{t(node.ended !== null ? 'proc.ran' : 'proc.runs', { time: duration(ran) })}</span>}
      {node.state !== 'unknown' && node.state !== 'running' && <StateTag state={node.state} table="proc.state" />}
      {bad && <span class="num">{t('proc.exit', { n: node.exit_code ?? 0 })}</span>}
    </span>
  );
}

function Row(props: {
  row: TreeRow;
  host: string;
  self: boolean;
  focus: boolean;
  note: ComponentChildren;
  onToggle: () => void;
  onFocus: () => void;
}) {
  const { row, host } = props;
  const { node } = row;
  const name = node.name || '?';
  return (
    <li
      role="treeitem"
      aria-level={row.level}
      aria-posinset={row.at}
      aria-setsize={row.of}
      aria-expanded={row.open === null ? undefined : row.open}
      aria-selected={props.self}
      tabIndex={props.focus ? 0 : -1}
      data-line
      class={['ptree-row', `ptree-${node.state}`, props.self ? 'ptree-self' : '', node.denials ? 'ptree-denied' : ''].join(' ').trim()}
      style={{ '--level': String(Math.min(row.level - 1, 24)) }}
      onFocus={props.onFocus}
    >
      {row.open === null ? (
        <span class="ptree-leaf" aria-hidden="true" />
      ) : (
        <button
          type="button"
          class="ptree-toggle"
          tabIndex={-1}
          aria-label={t(row.open ? 'proc.collapse' : 'proc.expand')}
          onClick={(e) => (e.stopPropagation(), props.onToggle())}
        >
          {row.open ? '▾' : '▸'}
        </button>
      )}
      <span class="ptree-main">
        <span class="ptree-name">
          <ProcessLink host={host} uid={node.uid} inTree>
            <Raw text={name} mono max={80} />
          </ProcessLink>
        </span>{' '}
        <span class="faint num">{node.pid ?? ''}</span>
        {node.denials > 0 && <span class="ptree-denials num">{t('proc.denials', { n: count(node.denials) })}</span>}
        {props.note}
        {props.self && <span class="tree-role">{t('proc.self')}</span>}
        {row.hidden > 0 && <span class="faint">+{t('proc.more', { n: row.hidden })}</span>}
        {(node.cmd_line || node.program) && (
          <span class="ptree-cmd">
            <Raw text={node.cmd_line || node.program} mono max={300} />
          </span>
        )}
      </span>
      {node.user ? (
        <span class="ptree-user">
          <Raw text={node.user} max={40} />
        </span>
      ) : (
        <span class="ptree-user" />
      )}
      <Life node={node} />
    </li>
  );
}

/** `all`: every branch is open at first. `note`: what else is to be said of one. */
export function ProcTree(props: {
  nodes: ProcessNode[];
  host: string;
  self: string | null;
  label: string;
  all?: boolean;
  note?: (uid: string) => ComponentChildren;
}) {
  const { nodes, host, self, label, all } = props;
  const roots = useMemo(() => branches(nodes), [nodes]);
  // What somebody opened or closed stays so when the tree comes anew.
  const [chosen, setChosen] = useState<ReadonlyMap<string, boolean>>(new Map());
  const first = useMemo(() => openAtFirst(roots, self, all ? Infinity : undefined), [roots, self, all]);
  useEffect(() => setChosen(new Map()), [self, all]);
  const rows = treeRows(roots, (uid) => chosen.get(uid) ?? first.has(uid));
  const [at, setAt] = useState<string | null>(self);
  const found = rows.findIndex((r) => r.node.uid === at);
  const focus = found >= 0 ? found : Math.max(0, rows.findIndex((r) => r.node.uid === self));
  const box = useRef<HTMLUListElement>(null);
  const toggle = (uid: string) => setChosen((c) => new Map(c).set(uid, !(c.get(uid) ?? first.has(uid))));
  const onKey = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const row = rows[focus];
    if (e.key === 'Enter' && row) {
      const href = processHref(host, row.node.uid);
      e.preventDefault();
      if (href) go(href);
      return;
    }
    const move = treeKey(rows, focus, e.key);
    if (!move) return;
    e.preventDefault();
    if ('toggle' in move) toggle(move.toggle);
    else {
      setAt(rows[move.to]?.node.uid ?? null);
      box.current?.querySelectorAll<HTMLElement>('[role=treeitem]')[move.to]?.focus();
    }
  };
  return (
    <ul class="ptree" role="tree" aria-label={label} ref={box} onKeyDown={onKey}>
      {rows.map((row, i) => (
        <Row
          key={row.node.uid}
          row={row}
          host={host}
          self={row.node.uid === self}
          focus={i === focus}
          note={props.note?.(row.node.uid)}
          onToggle={() => toggle(row.node.uid)}
          onFocus={() => setAt(row.node.uid)}
        />
      ))}
    </ul>
  );
}
