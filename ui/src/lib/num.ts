// SPDX-License-Identifier: Apache-2.0
//
// Numbers and sizes for people.

const full = new Intl.NumberFormat('en-US');

export function count(n: number | null | undefined): string {
  return n === null || n === undefined || !Number.isFinite(n) ? '–' : full.format(n);
}

/** 1,204 stays; 12,345,678 becomes 12.3M. For tiles and axes. */
export function short(n: number): string {
  const a = Math.abs(n);
  if (a < 10_000) return full.format(Math.round(n * 10) / 10);
  for (const [size, unit] of [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const)
    if (a >= size) return `${(n / size).toFixed(a / size < 100 ? 1 : 0).replace(/\.0$/, '')}${unit}`;
  return String(n);
}

export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return '–';
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  let v = n;
  while (Math.abs(v) >= 1024 && i < names.length - 1) {
    v /= 1024;
    i++;
  }
  return `${i === 0 || v >= 100 ? Math.round(v) : v.toFixed(1)} ${names[i]}`;
}

/** Per mille of a CPU as per cent. */
export function percent(permille: number | null | undefined): string {
  return permille === null || permille === undefined ? '–' : `${(permille / 10).toFixed(1)} %`;
}
