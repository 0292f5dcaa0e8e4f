// SPDX-License-Identifier: Apache-2.0
//
// Bars of one row each, the smallest class on top: for what is counted by sizes that double. Text as well as bars, so that who hears
// the page has the same.

import { count } from '../lib/num.ts';

export interface Bar {
  name: string;
  n: number;
}

export function Histogram({ label, head, unit, bars }: { label: string; head: string; unit: string; bars: Bar[] }) {
  const most = Math.max(1, ...bars.map((b) => b.n));
  return (
    <table class="histogram" aria-label={label}>
      <thead class="sr">
        <tr>
          <th scope="col">{head}</th>
          <th scope="col">{unit}</th>
        </tr>
      </thead>
      <tbody>
        {bars.map((b) => (
          <tr key={b.name}>
            <th scope="row" class="num">
              {b.name}
            </th>
            <td>
              <span class="histogram-bar" style={{ '--share': String(b.n / most) }} aria-hidden="true" />
              <span class="num">{count(b.n)}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
