// SPDX-License-Identifier: Apache-2.0
//
// Text from hosts is hostile: names of files and arguments may hold escape sequences, line breaks
// and characters that turn the direction of what stands around them. Here such characters become
// visible; the parts that show text call this and nothing else.

export interface Piece {
  text: string;
  /** What was replaced, as a code point; 0 for text that is shown as it is. */
  odd: number;
}

/** Longer text is cut for display; the raw record has all of it. */
export const SHOWN_MAX = 4096;

const short: Record<number, string> = { 9: '\\t', 10: '\\n', 13: '\\r', 0: '\\0' };

function isOdd(c: number): boolean {
  return (
    c < 0x20 ||
    (c >= 0x7f && c <= 0x9f) ||
    c === 0xad ||
    c === 0x61c ||
    c === 0x115f ||
    c === 0x1160 ||
    c === 0x180e ||
    (c >= 0x200b && c <= 0x200f) ||
    (c >= 0x2028 && c <= 0x202e) ||
    (c >= 0x2060 && c <= 0x206f) ||
    c === 0x3164 ||
    c === 0xfeff ||
    (c >= 0xfff9 && c <= 0xfffb) ||
    (c >= 0xd800 && c <= 0xdfff) ||
    (c >= 0xe0000 && c <= 0xe007f)
  );
}

export function escaped(c: number): string {
  const known = short[c];
  if (known !== undefined) return known;
  if (c < 0x100) return `\\x${c.toString(16).padStart(2, '0')}`;
  return `\\u{${c.toString(16)}}`;
}

/** The text in pieces: runs that are shown as they are, and single characters made visible. */
export function pieces(text: string, max = SHOWN_MAX): Piece[] {
  const out: Piece[] = [];
  let run = '';
  let n = 0;
  for (const ch of text) {
    if (n++ >= max) {
      run += '…';
      break;
    }
    const c = ch.codePointAt(0) ?? 0;
    if (!isOdd(c)) {
      run += ch;
      continue;
    }
    if (run) out.push({ text: run, odd: 0 });
    run = '';
    out.push({ text: escaped(c), odd: c });
  }
  if (run) out.push({ text: run, odd: 0 });
  return out;
}

/** For attributes (title, aria-label), where there are no elements: one safe string. */
export function plain(text: string, max = SHOWN_MAX): string {
  return pieces(text, max)
    .map((p) => p.text)
    .join('');
}

/** The last part of a path, for narrow places. */
export function baseName(path: string): string {
  const cut = path.replace(/\/+$/, '');
  return cut.slice(cut.lastIndexOf('/') + 1) || path;
}
