// SPDX-License-Identifier: Apache-2.0
//
// The editor of policies: a text area, and beneath it the same text in colour, line numbers, marks and
// squiggles exactly where the server says that something is wrong.

import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api } from '../api/client.ts';
import { asError } from '../api/data.ts';
import type { Diagnostic, PolicyCheck } from '../api/types.ts';
import type { ApiError } from '../api/client.ts';
import { t } from '../i18n/index.ts';
import { plain } from '../lib/text.ts';
import { span, tokenise, type Token } from '../lib/yaml.ts';
import { Raw } from '../parts/text.tsx';
import { Failure } from '../parts/states.tsx';

const CHECK_AFTER_MS = 350;
const NONE: Diagnostic[] = [];

export interface Check {
  value: PolicyCheck | null;
  error: ApiError | null;
  busy: boolean;
  /** Of which text. */
  text: string;
}

/** Asks the server about the text when it has rested for a moment. */
export function useCheck(name: string, text: string): Check {
  const [check, setCheck] = useState<Check>({ value: null, error: null, busy: false, text: '' });
  useEffect(() => {
    let current = true;
    setCheck((c) => ({ ...c, busy: true }));
    const timer = setTimeout(async () => {
      try {
        const value = await api.post<PolicyCheck>('policies/check', { name: name || 'policy.yaml', text });
        if (current) setCheck({ value, error: null, busy: false, text });
      } catch (e) {
        if (current) setCheck({ value: null, error: asError(e), busy: false, text });
      }
    }, CHECK_AFTER_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [name, text]);
  return check;
}

interface Marked extends Token {
  bad: Diagnostic['severity'] | '';
}

/** The tokens of a line, cut where a squiggle begins or ends. */
function marked(line: string, found: Diagnostic[]): Marked[] {
  const spans = found.map((d) => ({ ...span(line, d.column, d.width), bad: d.severity }));
  const out: Marked[] = [];
  let at = 0;
  for (const token of tokenise(line)) {
    const end = at + token.text.length;
    const cuts = [at, end];
    for (const s of spans) for (const c of [s.from, s.to]) if (c > at && c < end) cuts.push(c);
    cuts.sort((a, b) => a - b);
    for (let i = 0; i + 1 < cuts.length; i++) {
      const from = cuts[i] as number;
      const to = cuts[i + 1] as number;
      const hit = spans.find((s) => s.from < to && s.to > from);
      out.push({ text: line.slice(from, to), kind: token.kind, bad: hit?.bad ?? '' });
    }
    at = end;
  }
  // A mistake at the end of a line (something is missing) stands behind its text.
  const behind = spans.find((s) => s.from >= line.length);
  if (behind) out.push({ text: ' ', kind: 'space', bad: behind.bad });
  return out;
}

const LINE_PX = 20;
const AHEAD = 30;

interface Shown {
  first: number;
  last: number;
}

/** Which lines can be seen: only they are in the page in colour, whatever the length of the policy. */
function useShown(n: number) {
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState({ top: 0, height: 600 });
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    const measure = () => setAt({ top: el.scrollTop, height: el.clientHeight });
    measure();
    el.addEventListener('scroll', measure, { passive: true });
    const watch = new ResizeObserver(measure);
    watch.observe(el);
    return () => {
      el.removeEventListener('scroll', measure);
      watch.disconnect();
    };
  }, []);
  const first = Math.max(0, Math.floor(at.top / LINE_PX) - AHEAD);
  const last = Math.min(n, Math.ceil((at.top + at.height) / LINE_PX) + AHEAD);
  return { box, shown: { first, last } };
}

/** About how wide it is: some scripts take two places. */
function widthOf(line: string): number {
  let n = line.length;
  for (let i = 0; i < line.length; i++) if (line.charCodeAt(i) > 0x2e80) n++;
  return n;
}

/** Gives the box its size: as high as all lines, as wide as the longest ones (which one is, only the font knows). */
function Size({ lines }: { lines: string[] }) {
  const longest = useMemo(() => {
    const widths = lines.map((line, i) => [widthOf(line), i] as const);
    return widths
      .sort((a, b) => b[0] - a[0])
      .slice(0, 5)
      .map(([, i]) => lines[i])
      .join('\n');
  }, [lines]);
  return (
    <pre class="ed-size" aria-hidden="true" style={{ height: `${lines.length * LINE_PX + 16}px` }}>
      {longest}
    </pre>
  );
}

function Layer({ lines, found, shown }: { lines: string[]; found: Map<number, Diagnostic[]>; shown: Shown }) {
  return (
    <div class="ed-layer" aria-hidden="true" style={{ top: `${shown.first * LINE_PX}px` }}>
      {lines.slice(shown.first, shown.last).map((line, i) => (
        <div class="ed-line" key={shown.first + i}>
          {marked(line, found.get(shown.first + i + 1) ?? []).map((m) => (
            <span class={m.bad ? `y-${m.kind} bad-${m.bad}` : `y-${m.kind}`}>{m.text}</span>
          ))}
        </div>
      ))}
    </div>
  );
}

function Gutter(props: { n: number; found: Map<number, Diagnostic[]>; shown: Shown; onLine: (line: number) => void }) {
  const { n, found, shown } = props;
  return (
    <div class="ed-gutter" aria-hidden="true" style={{ width: `calc(${Math.max(2, String(n).length)}ch + 26px)` }}>
      <div style={{ height: `${n * LINE_PX}px`, paddingTop: `${shown.first * LINE_PX}px` }}>
        {Array.from({ length: shown.last - shown.first }, (_, i) => {
          const number = shown.first + i + 1;
          const here = found.get(number);
          const worst = here?.some((d) => d.severity === 'error') ? 'error' : here ? 'warning' : '';
          return (
            <div
              key={number}
              class={worst ? `ed-no ed-no-${worst}` : 'ed-no'}
              title={here?.map((d) => plain(d.message)).join('\n')}
              onClick={() => props.onLine(number)}
            >
              {number}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** Puts the cursor to a place of the text and brings it into view. */
function goTo(area: HTMLTextAreaElement, text: string, line: number, column: number): void {
  const lines = text.split('\n');
  let at = 0;
  for (let i = 0; i < line - 1 && i < lines.length; i++) at += (lines[i] as string).length + 1;
  const s = span(lines[line - 1] ?? '', Math.max(1, column), 1);
  area.focus();
  area.setSelectionRange(at + s.from, at + s.from);
  const box = area.closest<HTMLElement>('.ed-scroll');
  if (box) box.scrollTop = Math.max(0, (line - 4) * LINE_PX);
}

function insert(area: HTMLTextAreaElement, text: string): void {
  // The old way keeps the browser's undo; nothing else does.
  if (!document.execCommand('insertText', false, text)) area.setRangeText(text, area.selectionStart, area.selectionEnd, 'end');
}

/** Tab inserts blanks, Enter keeps the indent; after Esc, Tab moves on as everywhere. */
function useTyping(readOnly: boolean, onValue: (text: string) => void) {
  const free = useRef(false);
  return (e: KeyboardEvent) => {
    const area = e.currentTarget as HTMLTextAreaElement;
    if (e.key === 'Escape') {
      free.current = true;
      return;
    }
    if (readOnly || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === 'Tab' && !free.current && !e.shiftKey) {
      e.preventDefault();
      insert(area, '  ');
      onValue(area.value);
    } else if (e.key === 'Enter') {
      const before = area.value.slice(0, area.selectionStart);
      const indent = /(?:^|\n)([ ]*(?:- )?)[^\n]*$/.exec(before)?.[1]?.replace('-', ' ') ?? '';
      if (!indent) return;
      e.preventDefault();
      insert(area, `\n${indent}`);
      onValue(area.value);
    }
    if (e.key !== 'Shift') free.current = false;
  };
}

function byLine(found: Diagnostic[]): Map<number, Diagnostic[]> {
  const map = new Map<number, Diagnostic[]>();
  for (const d of found) map.set(d.line, [...(map.get(d.line) ?? []), d]);
  return map;
}

export function Editor(props: {
  text: string;
  onValue: (text: string) => void;
  check: Check;
  readOnly: boolean;
  line?: number;
}) {
  const { text, check } = props;
  const area = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const lines = useMemo(() => text.split('\n'), [text]);
  const { box, shown } = useShown(lines.length);
  // Marks of an older text would stand in the wrong place.
  const found = check.text === text ? (check.value?.diagnostics ?? NONE) : NONE;
  const at = useMemo(() => byLine(found), [found]);
  const onKey = useTyping(props.readOnly, props.onValue);
  const jump = (line: number, column: number) => area.current && goTo(area.current, text, line, column);
  useLayoutEffect(() => {
    if (props.line) jump(props.line, 1);
  }, [props.line]);
  return (
    <div class="editor">
      <label for={id} class="sr">
        {t('editor.label')}
      </label>
      <div class="ed-scroll" ref={box}>
        <Gutter n={lines.length} found={at} shown={shown} onLine={(n) => jump(n, 1)} />
        <div class="ed-text">
          <Size lines={lines} />
          <Layer lines={lines} found={at} shown={shown} />
          <textarea
            id={id}
            ref={area}
            class="ed-area"
            value={text}
            readOnly={props.readOnly}
            spellcheck={false}
            autocapitalize="none"
            autocomplete="off"
            wrap="off"
            aria-describedby={`${id}s`}
            aria-invalid={found.some((d) => d.severity === 'error') || undefined}
            onInput={(e) => props.onValue(e.currentTarget.value)}
            onKeyDown={onKey}
          />
        </div>
      </div>
      <div class="ed-status" id={`${id}s`} role="status">
        <Summary check={check} text={text} />
        {!props.readOnly && <span class="faint ed-hint">{t('editor.tabHint')}</span>}
      </div>
      <Findings found={found} jump={jump} />
      {check.error && <Failure error={check.error} />}
    </div>
  );
}

function Summary({ check, text }: { check: Check; text: string }) {
  if (check.error) return <span class="bad-text">{t('editor.unchecked')}</span>;
  if (check.busy || check.text !== text || !check.value) return <span class="faint">{t('editor.checking')}</span>;
  const { errors, warnings } = check.value;
  if (!errors && !warnings) return <span class="good-text">{t('editor.fine')}</span>;
  return <span class={errors ? 'bad-text' : 'warn-text'}>{t('editor.found', { errors, warnings })}</span>;
}

function Findings({ found, jump }: { found: Diagnostic[]; jump: (line: number, column: number) => void }) {
  if (!found.length) return null;
  return (
    <ul class="findings">
      {found.map((d) => (
        <li class={`finding finding-${d.severity}`}>
          <button type="button" onClick={() => jump(d.line, d.column)}>
            <span class="finding-place num">
              {d.line}:{d.column}
            </span>
            <span class="sr">
              {t(d.severity === 'error' ? 'editor.error' : 'editor.warning')}, {t('editor.at', { line: d.line, column: d.column })}:{' '}
            </span>
            <span>
              <Raw text={d.message} />
              {d.expected && (
                <span class="finding-more">
                  <Raw text={t('editor.expected', { text: d.expected })} />
                </span>
              )}
              {d.cure && (
                <span class="finding-more">
                  <Raw text={t('editor.cure', { text: d.cure })} />
                </span>
              )}
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
