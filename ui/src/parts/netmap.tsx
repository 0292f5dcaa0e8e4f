// SPDX-License-Identifier: Apache-2.0
//
// Programs of a host on the left, whom they talk to on the right, a line between those that do: the thicker the more bytes. What is
// chosen stands out. Its numbers are in the table beneath it.

import type { LiveEdge } from '../api/types.ts';
import { t } from '../i18n/index.ts';
import { baseName, lineWidth, mapOf, type MapNode } from '../lib/network.ts';
import { plain } from '../lib/text.ts';
import { Button } from './controls.tsx';

const NODES = 24;
const ROW = 26;
const WIDTH = 900;
const LEFT = 260;
const RIGHT = 600;

function label(n: MapNode): string {
  const text = n.kind === 'program' ? baseName(n.text) : n.text;
  return plain(text, 42);
}

function NodeButton({ n, side, chosen, onChoose }: { n: MapNode; side: 'left' | 'right'; chosen: string; onChoose: (id: string) => void }) {
  const id = `${side} ${n.id}`;
  const on = chosen === id;
  return (
    <button
      type="button"
      class={`net-node net-node-${n.kind}`}
      aria-pressed={on}
      title={plain(n.text, 300)}
      onClick={() => onChoose(on ? '' : id)}
    >
      {label(n)}
    </button>
  );
}

export function NetMapView({ edges, chosen, onChoose }: { edges: LiveEdge[]; chosen: string; onChoose: (id: string) => void }) {
  const map = mapOf(edges, NODES);
  const rows = Math.max(map.left.length, map.right.length);
  const at = (list: MapNode[], id: string) => list.findIndex((n) => n.id === id) * ROW + ROW / 2;
  const isOn = (from: string, to: string) => chosen === '' || chosen === `left ${from}` || chosen === `right ${to}`;
  return (
    <div class="net-map" role="group" aria-label={t('net.mapLabel', { a: map.left.length, b: map.right.length })}>
      <div class="net-map-box" style={{ height: `${rows * ROW}px` }}>
        <div class="net-side">
          {map.left.map((n) => (
            <NodeButton key={n.id} n={n} side="left" chosen={chosen} onChoose={onChoose} />
          ))}
        </div>
        <svg viewBox={`${LEFT} 0 ${RIGHT - LEFT} ${rows * ROW}`} width={WIDTH - LEFT * 2} preserveAspectRatio="none" aria-hidden="true" focusable="false">
          {map.lines.map((l) => {
            const a = at(map.left, l.from);
            const b = at(map.right, l.to);
            const middle = (LEFT + RIGHT) / 2;
            return (
              <path
                key={`${l.from}\n${l.to}`}
                class={[l.failed === l.flows ? 'net-line net-line-bad' : 'net-line', isOn(l.from, l.to) ? '' : 'net-line-off'].join(' ').trim()}
                d={`M${LEFT} ${a}C${middle} ${a} ${middle} ${b} ${RIGHT} ${b}`}
                style={{ strokeWidth: `${lineWidth(l.bytes)}px` }}
              />
            );
          })}
        </svg>
        <div class="net-side">
          {map.right.map((n) => (
            <NodeButton key={n.id} n={n} side="right" chosen={chosen} onChoose={onChoose} />
          ))}
        </div>
      </div>
      <p class="rows-foot">
        {map.hidden > 0 && t('net.mapHidden', { n: map.hidden })}
        {chosen && (
          <Button small kind="quiet" onClick={() => onChoose('')}>
            {t('net.mapAll')}
          </Button>
        )}
      </p>
    </div>
  );
}
