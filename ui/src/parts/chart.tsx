// SPDX-License-Identifier: Apache-2.0
//
// Stacked bars over time, with a brush, and the same numbers as a table for whoever reads them.

import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { lang, t } from '../i18n/index.ts';
import { count, short } from '../lib/num.ts';
import { useStore } from '../lib/store.ts';
import { absolute, DAY, HOUR } from '../lib/time.ts';
import { Button } from './controls.tsx';
import { Empty } from './states.tsx';
import { Table } from './table.tsx';
import { themeNow } from './theme.ts';

export interface ChartSeries {
  key: string;
  label: string;
  /** Name of a colour of the theme, without the dashes. */
  colour: string;
  points: number[];
}

interface Props {
  label: string;
  from: number;
  step: number;
  series: ChartSeries[];
  height?: number;
  onBrush?: (from: number, to: number) => void;
  onReset?: () => void;
  hint?: string;
  /** What is older than this is not all counted. */
  completeFrom?: number;
}

/** Steps of the scale: what is counted has no halves. */
const WHOLE = Array.from({ length: 40 }, (_, i) => ([1, 2, 5][i % 3] ?? 1) * 10 ** Math.floor(i / 3));

/** The canvas wants colours, the theme has them as properties: the browser works them out. */
function colours(box: HTMLElement, names: string[]): Record<string, string> {
  const probe = document.createElement('span');
  probe.hidden = true;
  box.append(probe);
  const out: Record<string, string> = {};
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    out[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return out;
}

function stacked(series: ChartSeries[], n: number): number[][] {
  const sums = new Array<number>(n).fill(0);
  return series.map((s) =>
    sums.map((sum, i) => {
      sums[i] = sum + (s.points[i] ?? 0);
      return sums[i] as number;
    }),
  );
}

function tick(step: number) {
  return (_: uPlot, splits: number[]) =>
    splits.map((s) => {
      const text = absolute(s * 1000);
      if (step < HOUR / 60) return text.slice(11);
      return text.slice(11, 16) === '00:00' || step >= DAY ? text.slice(5, 10) : text.slice(11, 16);
    });
}

function options(p: Props, box: HTMLElement, width: number, tip: HTMLElement): uPlot.Options {
  const c = colours(box, ['faint', 'rule', ...p.series.map((s) => s.colour)]);
  const axis: uPlot.Axis = {
    stroke: c.faint ?? '',
    grid: { stroke: c.rule ?? '', width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  };
  const drawn = [...p.series].reverse();
  const n = Math.max(1, ...p.series.map((s) => s.points.length));
  return {
    width,
    height: p.height ?? 180,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    // Each bar stands on its step, the last one, too.
    scales: { x: { time: true, range: () => [p.from / 1000, (p.from + n * p.step) / 1000] }, y: { range: (_u, _min, max) => [0, Math.max(4, max * 1.08)] } },
    axes: [
      { ...axis, grid: { show: false }, space: 64, size: 26, values: tick(p.step) },
      { ...axis, size: 46, space: 36, incrs: WHOLE, values: (_u, s) => s.map((v) => (Number.isInteger(v) ? short(v) : '')) },
    ],
    series: [
      {},
      ...drawn.map((s) => ({
        label: s.label,
        stroke: c[s.colour] ?? '',
        fill: c[s.colour] ?? '',
        width: 0,
        points: { show: false },
        paths: uPlot.paths.bars?.({ size: [0.82, 40], align: 1 }) as uPlot.Series.PathBuilder,
      })),
    ],
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: Boolean(p.onBrush), y: false, setScale: false },
      bind: {
        dblclick: () => () => {
          p.onReset?.();
          return null;
        },
      },
    },
    hooks: {
      setSelect: [
        (u) => {
          if (!p.onBrush || u.select.width < 4) return;
          const from = u.posToVal(u.select.left, 'x') * 1000;
          const to = u.posToVal(u.select.left + u.select.width, 'x') * 1000;
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          p.onBrush(Math.round(from), Math.round(to));
        },
      ],
      setCursor: [
        (u) => {
          const x = u.cursor.left ?? -1;
          const i = x < 0 ? -1 : Math.floor((u.posToVal(x, 'x') * 1000 - p.from) / p.step);
          showTip(tip, p, i, x + u.bbox.left / devicePixelRatio, width);
        },
      ],
    },
  };
}

function showTip(tip: HTMLElement, p: Props, i: number, x: number, width: number): void {
  const n = Math.max(0, ...p.series.map((s) => s.points.length));
  if (i < 0 || i >= n) {
    tip.hidden = true;
    return;
  }
  tip.hidden = false;
  const rows = p.series.map((s) => `${s.label}: ${count(s.points[i] ?? 0)}`);
  tip.textContent = [absolute(p.from + i * p.step).slice(0, 16), ...rows].join('\n');
  const right = x > width / 2;
  tip.style.left = right ? 'auto' : `${x + 12}px`;
  tip.style.right = right ? `${width - x + 12}px` : 'auto';
}

function Canvas(p: Props) {
  const box = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const theme = useStore(themeNow);
  const language = useStore(lang);
  const latest = useRef(p);
  latest.current = p;
  const shape = JSON.stringify([p.from, p.step, p.series]);
  useEffect(() => {
    const el = box.current;
    const t = tip.current;
    if (!el || !t) return;
    const n = Math.max(0, ...p.series.map((s) => s.points.length));
    const xs = Array.from({ length: n }, (_, i) => (p.from + i * p.step) / 1000);
    const data = [xs, ...stacked(p.series, n).reverse()] as uPlot.AlignedData;
    const live: Props = {
      ...p,
      onBrush: p.onBrush ? (a, b) => latest.current.onBrush?.(a, b) : undefined,
      onReset: () => latest.current.onReset?.(),
    };
    const plot = new uPlot(options(live, el, Math.max(200, el.clientWidth), t), data, el);
    const watch = new ResizeObserver(() => {
      if (el.clientWidth > 0 && el.clientWidth !== plot.width) plot.setSize({ width: el.clientWidth, height: p.height ?? 180 });
    });
    watch.observe(el);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [shape, theme, language, p.height]);
  return (
    <div class="chart-canvas" ref={box} aria-hidden="true">
      <div class="chart-tip" ref={tip} hidden />
    </div>
  );
}

/** Says since when counts are whole, when the server's time for counting was over. */
export function Incomplete({ from }: { from: number | undefined }) {
  return from === undefined ? null : <p class="warn-text">{t('ui.completeFrom', { time: absolute(from) })}</p>;
}

/** `label` says what is shown, for the table and for screen readers. */
export function Chart(p: Props) {
  const [asTable, setAsTable] = useState(false);
  const n = Math.max(0, ...p.series.map((s) => s.points.length));
  const totals = p.series.map((s) => ({ ...s, sum: s.points.reduce((a, b) => a + b, 0) }));
  const nothing = totals.every((s) => s.sum === 0);
  const rows = Array.from({ length: n }, (_, i) => i).filter((i) => p.series.some((s) => (s.points[i] ?? 0) > 0));
  return (
    <figure class="chart">
      <figcaption class="chart-head">
        <ul class="legend">
          {totals.map((s) => (
            <li key={s.key} class={`legend-${s.colour}`}>
              <span class="glyph" aria-hidden="true" />
              {s.label} <b class="num">{count(s.sum)}</b>
            </li>
          ))}
        </ul>
        {p.hint && !asTable && <span class="chart-hint">{p.hint}</span>}
        <Button kind="quiet" small onClick={() => setAsTable(!asTable)} pressed={asTable}>
          {asTable ? t('ui.chartChart') : t('ui.chartTable')}
        </Button>
      </figcaption>
      <Incomplete from={p.completeFrom} />
      {!asTable && <Canvas {...p} />}
      {!asTable && nothing && <p class="chart-none">{t('overview.noData')}</p>}
      {asTable && nothing && <Empty what={t('overview.noData')} />}
      {asTable && !nothing && (
        <div class="chart-table" tabIndex={0} role="region" aria-label={p.label}>
          <Table
            label={p.label}
            plain
            rows={rows}
            keyOf={String}
            columns={[
              { key: 't', head: t('ui.time'), cell: (i) => absolute(p.from + i * p.step) },
              ...p.series.map((s) => ({
                key: s.key,
                head: s.label,
                kind: 'num' as const,
                cell: (i: number) => count(s.points[i] ?? 0),
              })),
            ]}
          />
        </div>
      )}
    </figure>
  );
}
