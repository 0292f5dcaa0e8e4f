// SPDX-License-Identifier: Apache-2.0
//
// A record as JSON, laid out and coloured, as text nodes only.

import { escaped, pieces } from '../lib/text.ts';

/** Stops at this many lines: a record may have 256 KiB. */
const LINES_MAX = 4000;

export function Json({ value }: { value: unknown }) {
  const lines = JSON.stringify(value, null, 2).split('\n');
  const shown = lines.slice(0, LINES_MAX);
  return (
    <pre class="json" tabIndex={0}>
      {shown.map((line) => {
        const m = /^(\s*)("(?:[^"\\]|\\.)*")(: )?(.*)$/.exec(line);
        // JSON.stringify escapes control characters, but not those that turn directions.
        const safe = (s: string) =>
          pieces(s, 20_000)
            .map((p) => (p.odd ? escaped(p.odd) : p.text))
            .join('');
        if (!m) return `${safe(line)}\n`;
        const [, indent, first, colon, rest] = m;
        return (
          <>
            {indent}
            <span class={colon ? 'json-key' : 'json-string'}>{safe(first ?? '')}</span>
            {colon}
            <span class={rest?.startsWith('"') ? 'json-string' : 'json-value'}>{safe(rest ?? '')}</span>
            {'\n'}
          </>
        );
      })}
      {lines.length > LINES_MAX ? '…' : ''}
    </pre>
  );
}
