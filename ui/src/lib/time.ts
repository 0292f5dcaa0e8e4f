// SPDX-License-Identifier: Apache-2.0
//
// Times: all are ms since 1970. Ranges are kept as people wrote them (-24h stays -24h in the URL), so
// that a link means the same tomorrow.

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const units: Record<string, number> = { s: 1000, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY };

/** -15m, -24h, -7d, RFC 3339 or ms as text; null when it is none of them. "" means now. */
export function parseTime(text: string, now: number): number | null {
  const s = text.trim();
  if (s === '' || s === 'now') return now;
  const rel = /^-(\d{1,6})([smhdw])$/.exec(s);
  if (rel) return now - Number(rel[1]) * (units[rel[2] as string] as number);
  if (/^\d{11,14}$/.test(s)) return Number(s);
  if (!/^\d{4}-\d\d-\d\d/.test(s)) return null;
  const ms = Date.parse(s);
  return Number.isNaN(ms) ? null : ms;
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * DAY],
  ['month', 30 * DAY],
  ['week', 7 * DAY],
  ['day', DAY],
  ['hour', HOUR],
  ['minute', MINUTE],
  ['second', 1000],
];

const relatives = new Map<string, Intl.RelativeTimeFormat>();

/** "3 minutes ago", in the language. */
export function relative(ms: number, now: number, lang: string): string {
  let format = relatives.get(lang);
  if (!format) {
    format = new Intl.RelativeTimeFormat(lang, { numeric: 'auto', style: 'short' });
    relatives.set(lang, format);
  }
  const d = ms - now;
  for (const [unit, size] of steps)
    if (Math.abs(d) >= size) return format.format(Math.trunc(d / size), unit);
  return format.format(0, 'second');
}

const absolutes = new Map<string, Intl.DateTimeFormat>();

/** 2026-01-31 14:03:11.123 in the browser's zone; `zone` for tests and for UTC. */
export function absolute(ms: number, zone?: string, fraction = false): string {
  if (!Number.isFinite(ms)) return '–';
  const key = `${zone ?? ''}`;
  let format = absolutes.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat('sv-SE', {
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      timeZone: zone,
    });
    absolutes.set(key, format);
  }
  const text = format.format(ms);
  return fraction ? `${text}.${String(Math.floor(((ms % 1000) + 1000) % 1000)).padStart(3, '0')}` : text;
}

const offsets = new Intl.DateTimeFormat('en-US', { timeZoneName: 'longOffset' });

/** GMT+08:00: which zone absolute() speaks of, at that time of the year. */
export function zoneOf(ms: number): string {
  return offsets.formatToParts(ms).find((p) => p.type === 'timeZoneName')?.value ?? '';
}

/** The time of day alone when it is today, else month-day and time: for dense lists. */
export function compact(ms: number, now: number, zone?: string): string {
  const full = absolute(ms, zone);
  return full.slice(0, 10) === absolute(now, zone).slice(0, 10) ? full.slice(11) : full.slice(5, 16);
}

/** 1.2 s, 3 min 5 s, 2 h 10 min, 3 d 4 h: two units at the most. */
export function duration(ms: number): string {
  const a = Math.abs(ms);
  if (a < 1000) return `${Math.round(a)} ms`;
  if (a < MINUTE) return `${(a / 1000).toFixed(a < 10_000 ? 1 : 0)} s`;
  const pair = (big: number, bigName: string, small: number, smallName: string) => {
    const n = Math.floor(a / big);
    const rest = Math.floor((a % big) / small);
    return rest ? `${n} ${bigName} ${rest} ${smallName}` : `${n} ${bigName}`;
  };
  if (a < HOUR) return pair(MINUTE, 'min', 1000, 's');
  if (a < DAY) return pair(HOUR, 'h', MINUTE, 'min');
  return pair(DAY, 'd', HOUR, 'h');
}

const stepSizes = [
  1000, 5000, 10_000, 30_000, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY,
  7 * DAY,
];

/** The step of a chart over a span, so that it has about `points` points. */
export function stepFor(span: number, points: number): number {
  for (const s of stepSizes) if (span / s <= points) return s;
  return stepSizes[stepSizes.length - 1] as number;
}
