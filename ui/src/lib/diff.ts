// SPDX-License-Identifier: Apache-2.0
//
// What changed between two versions of a policy, line by line.

export interface DiffLine {
  kind: 'same' | 'added' | 'removed';
  /** Line numbers in the old and the new text; 0 where the line is not. */
  old: number;
  new: number;
  text: string;
}

/** Above this many cells the middle is shown as replaced: a policy has some thousand lines at the most. */
const CELLS_MAX = 4_000_000;

function lines(text: string): string[] {
  const list = text.split('\n');
  if (list[list.length - 1] === '') list.pop();
  return list;
}

export function diff(before: string, after: string): DiffLine[] {
  const a = lines(before);
  const b = lines(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;

  const out: DiffLine[] = [];
  for (let i = 0; i < head; i++) out.push({ kind: 'same', old: i + 1, new: i + 1, text: a[i] as string });
  middle(a, b, head, tail, out);
  for (let i = tail; i > 0; i--)
    out.push({ kind: 'same', old: a.length - i + 1, new: b.length - i + 1, text: a[a.length - i] as string });
  return out;
}

function middle(a: string[], b: string[], head: number, tail: number, out: DiffLine[]): void {
  const n = a.length - head - tail;
  const m = b.length - head - tail;
  const removed = (i: number) => out.push({ kind: 'removed', old: head + i + 1, new: 0, text: a[head + i] as string });
  const added = (j: number) => out.push({ kind: 'added', old: 0, new: head + j + 1, text: b[head + j] as string });
  if (n * m > CELLS_MAX) {
    for (let i = 0; i < n; i++) removed(i);
    for (let j = 0; j < m; j++) added(j);
    return;
  }
  // Longest common subsequence of what is left, from the end.
  const width = m + 1;
  const best = new Uint32Array((n + 1) * width);
  const at = (i: number, j: number) => best[i * width + j] as number;
  for (let i = n - 1; i >= 0; i--)
    for (let j = m - 1; j >= 0; j--)
      best[i * width + j] =
        a[head + i] === b[head + j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  let i = 0;
  let j = 0;
  while (i < n || j < m) {
    if (i < n && j < m && a[head + i] === b[head + j]) {
      out.push({ kind: 'same', old: head + i + 1, new: head + j + 1, text: a[head + i] as string });
      i++;
      j++;
    } else if (i < n && (j >= m || at(i + 1, j) >= at(i, j + 1))) removed(i++);
    else added(j++);
  }
}

/** Only changes, with `context` lines around them; null stands for lines that are left out. */
export function hunks(all: DiffLine[], context = 3): (DiffLine | null)[] {
  const keep = new Array<boolean>(all.length).fill(false);
  all.forEach((line, i) => {
    if (line.kind === 'same') return;
    for (let k = Math.max(0, i - context); k <= Math.min(all.length - 1, i + context); k++) keep[k] = true;
  });
  const out: (DiffLine | null)[] = [];
  all.forEach((line, i) => {
    if (keep[i]) out.push(line);
    else if (out.length === 0 || out[out.length - 1] !== null) out.push(null);
  });
  return out;
}
