// SPDX-License-Identifier: Apache-2.0
//
// A long list of records: only the rows that can be seen are in the page, whatever its length.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Event as EventRow } from '../api/types.ts';
import { t } from '../i18n/index.ts';
import { count } from '../lib/num.ts';
import { activityKey, outcomeOf } from '../lib/ocsf.ts';
import { baseName, plain } from '../lib/text.ts';
import { At, OutcomeTag, Path, Raw } from '../parts/text.tsx';
import { useKeys } from '../parts/keys.ts';

const OVERSCAN = 8;

/** Height of a row in px, as the style sheet says for this width. */
function rowHeight(): number {
  return matchMedia('(max-width: 720px)').matches ? 62 : 31;
}

function useWindow(n: number, onEnd: (() => void) | null) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600, row: rowHeight() });
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    const measure = () => setView({ top: el.scrollTop, height: el.clientHeight, row: rowHeight() });
    measure();
    el.addEventListener('scroll', measure, { passive: true });
    const watch = new ResizeObserver(measure);
    watch.observe(el);
    return () => {
      el.removeEventListener('scroll', measure);
      watch.disconnect();
    };
  }, []);
  const first = Math.max(0, Math.floor(view.top / view.row) - OVERSCAN);
  const last = Math.min(n, Math.ceil((view.top + view.height) / view.row) + OVERSCAN);
  const nearEnd = last >= n - OVERSCAN && view.top > 0;
  useEffect(() => {
    if (nearEnd && onEnd) onEnd();
  }, [nearEnd, n]);
  return { box, first, last, row: view.row, height: view.height };
}

function What({ r }: { r: EventRow }) {
  if (r.class === 0 || !r.path) return <Raw text={r.message} max={200} />;
  return (
    <>
      <span class="verb">{t(activityKey(r.class, r.activity))}</span> <Path text={r.path} />
    </>
  );
}

function Row({ r, index, top, onOpen }: { r: EventRow; index: number; top: number; onOpen: (id: string) => void }) {
  const program = r.program ?? '';
  return (
    <div
      class={`row row-${outcomeOf(r.outcome)}`}
      role="row"
      aria-rowindex={index + 2}
      data-line
      style={{ top: `${top}px` }}
      onClick={() => !getSelection()?.toString() && onOpen(r.id)}
    >
      <span role="cell" class="row-time">
        <button
          type="button"
          class="row-open"
          data-item
          data-index={index}
          onClick={(e) => (e.stopPropagation(), onOpen(r.id))}
        >
          <At ms={r.time} />
          <span class="sr">{plain(r.message ?? '', 200)}</span>
        </button>
      </span>
      <span role="cell" class="row-outcome">
        <OutcomeTag outcome={r.outcome} />
      </span>
      <span role="cell" class="row-host">
        <Raw text={r.host_name} />
      </span>
      <span role="cell" class="row-program" title={plain(program)}>
        <Raw text={baseName(program)} mono />
      </span>
      <span role="cell" class="row-user">
        <Raw text={r.user} />
      </span>
      <span role="cell" class="row-what" title={plain(r.message ?? '', 400)}>
        <What r={r} />
      </span>
      <span role="cell" class="row-rule">
        <Raw text={r.rule} />
      </span>
      <span role="cell" class="row-count num">
        {r.count > 1 ? `×${count(r.count)}` : ''}
      </span>
    </div>
  );
}

export function RecordRows(props: {
  label: string;
  rows: EventRow[];
  onOpen: (id: string) => void;
  onEnd: (() => void) | null;
}) {
  const { rows, onOpen } = props;
  const { box, first, last, row, height } = useWindow(rows.length, props.onEnd);
  // Where the focus is, or is on its way to: keys come faster than rows are drawn.
  const at = useRef(-1);
  const move = (by: number) => {
    const el = box.current;
    if (!el || !rows.length) return;
    const to = Math.min(rows.length - 1, Math.max(0, at.current < 0 ? 0 : at.current + by));
    at.current = to;
    const top = to * row;
    if (top < el.scrollTop) el.scrollTop = top;
    else if (top + row > el.scrollTop + height) el.scrollTop = top + row - height;
    const focus = () => {
      const item = el.querySelector<HTMLElement>(`[data-index="${to}"]`);
      item?.focus({ preventScroll: true });
      return item !== null;
    };
    // A row that was out of sight is drawn first.
    if (!focus()) requestAnimationFrame(() => at.current === to && focus());
  };
  const onFocus = (e: FocusEvent) => {
    at.current = Number((e.target as HTMLElement).dataset.index ?? -1);
  };
  const page = Math.max(1, Math.floor(height / row) - 1);
  const moves: Record<string, number> = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 };
  const onKey = (e: KeyboardEvent) => {
    const by = moves[e.key];
    if (by === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    move(by);
  };
  // In an open drawer these keys mean the next record.
  const step = (by: number) => () => (document.querySelector('dialog[open]') ? false : move(by));
  useKeys({ j: step(1), k: step(-1) }, 2);
  const heads = ['time', 'outcome', 'host', 'program', 'user', 'what', 'rule', 'count'] as const;
  return (
    <div class="rows" role="table" aria-label={props.label} aria-rowcount={rows.length + 1} onKeyDown={onKey}>
      <div class="row row-head" role="row" aria-rowindex={1}>
        {heads.map((h) => (
          <span role="columnheader" class={`row-${h}`} key={h}>
            {t(`records.head.${h}`)}
          </span>
        ))}
      </div>
      <div class="rows-box" role="rowgroup" ref={box} tabIndex={-1} onFocusIn={onFocus}>
        <div class="rows-space" role="presentation" style={{ height: `${rows.length * row}px` }}>
          {rows.slice(first, last).map((r, i) => (
            <Row key={r.id} r={r} index={first + i} top={(first + i) * row} onOpen={onOpen} />
          ))}
        </div>
      </div>
    </div>
  );
}
