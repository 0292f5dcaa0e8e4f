// SPDX-License-Identifier: Apache-2.0
//
// Colours for policies: the tokens of each line. It is no parser of YAML: what is wrong is said by the
// server, with line and column; this only has to cover every character exactly once.

export type Kind =
  | 'space'
  | 'comment'
  | 'key'
  | 'word'
  | 'deny'
  | 'allow'
  | 'audit'
  | 'string'
  | 'number'
  | 'path'
  | 'mark'
  | 'text';

export interface Token {
  text: string;
  kind: Kind;
}

const keys = new Set(
  (
    'safeguard name mode subjects files path access by not_by do exe parent ancestor descendants user group ' +
    'capability login_user session cgroup container namespace time env description record'
  ).split(' '),
);

const values: Record<string, Kind> = {
  deny: 'deny',
  kill: 'deny',
  allow: 'allow',
  audit: 'audit',
  monitor: 'word',
  enforce: 'word',
};
for (const w of 'read write create delete rename link chmod chown xattr exec mmap io mount any true false null'.split(' '))
  values[w] = 'word';

// In the order in which they are tried at a place of the line.
const rules: [RegExp, Kind][] = [
  [/\s+/y, 'space'],
  [/"(?:[^"\\]|\\.)*"?(?=\s*:(?:\s|$))/y, 'key'],
  [/"(?:[^"\\]|\\.)*"?/y, 'string'],
  [/'(?:[^']|'')*'?/y, 'string'],
  [/[\w.-]+(?=\s*:(?:\s|$))/y, 'key'],
  [/\/[^\s,\]}]*/y, 'path'],
  [/-(?=\s|$)|[{}[\],:?|>&*!%@`]/y, 'mark'],
  [/\d+(?:\.\d+)?(?=[\s,\]}]|$)/y, 'number'],
  [/[^\s,\]}{[:]+(?::[^\s,\]}]+)*/y, 'text'],
  [/./y, 'text'],
];

/** A comment begins at the start or behind a blank, outside of quotes. */
function tokenAt(line: string, at: number): Token {
  if (line[at] === '#' && (at === 0 || /\s/.test(line[at - 1] as string)))
    return { text: line.slice(at), kind: 'comment' };
  for (const [rule, kind] of rules) {
    rule.lastIndex = at;
    const m = rule.exec(line);
    if (m && m[0]) return { text: m[0], kind: refine(m[0], kind) };
  }
  return { text: line.slice(at, at + 1), kind: 'text' };
}

function refine(text: string, kind: Kind): Kind {
  if (kind === 'text') return values[text] ?? 'text';
  // Names of subjects are keys too, but not ours.
  if (kind === 'key') return keys.has(text.replace(/^"|"$/g, '')) ? 'key' : 'text';
  if (kind === 'string' && /^["']\//.test(text)) return 'path';
  return kind;
}

export function tokenise(line: string): Token[] {
  const out: Token[] = [];
  let at = 0;
  while (at < line.length) {
    const token = tokenAt(line, at);
    at += token.text.length;
    const last = out[out.length - 1];
    if (last && last.kind === token.kind) last.text += token.text;
    else out.push(token);
  }
  return out;
}

/** Where a mistake stands in the line's string: columns count characters from one; 0 means the whole line. */
export function span(line: string, column: number, width: number): { from: number; to: number } {
  if (column <= 0) return { from: 0, to: Math.max(1, line.length) };
  const place = (characters: number) => {
    let at = 0;
    for (const ch of line) {
      if (characters-- <= 0) break;
      at += ch.length;
    }
    return at;
  };
  const from = place(column - 1);
  return { from, to: Math.max(from + 1, place(column - 1 + Math.max(1, width))) };
}
