// SPDX-License-Identifier: Apache-2.0
//
// Tables with headers. On a phone every row becomes a small card, whose cells say their header
// themselves; the roles stay those of a table.

import type { ComponentChildren } from 'preact';

export interface Column<T> {
  key: string;
  head: ComponentChildren;
  cell: (row: T) => ComponentChildren;
  /** num: right, figures of one width. main: gets much of the width. name: what the row is called. */
  kind?: 'num' | 'main' | 'name' | 'act' | 'pick';
  /** What a phone shows before the cell; the head when it is text. */
  label?: string;
}

export function Table<T>(props: {
  label: string;
  columns: Column<T>[];
  rows: T[];
  keyOf: (row: T) => string;
  onRow?: (row: T) => void;
  chosen?: (row: T) => boolean;
  plain?: boolean;
}) {
  const { columns, rows } = props;
  const onClick = (e: MouseEvent, row: T) => {
    // Links, buttons and chosen text keep their meaning.
    if ((e.target as Element).closest('a,button,input,select,label')) return;
    if (getSelection()?.toString()) return;
    props.onRow?.(row);
  };
  return (
    <div class={props.plain ? 'table-box table-plain' : 'table-box'}>
      <table role="table" aria-label={props.label}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((c) => (
              <th role="columnheader" scope="col" key={c.key} class={c.kind ? `cell-${c.kind}` : ''}>
                {c.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr
              role="row"
              key={props.keyOf(row)}
              data-line
              class={[props.onRow ? 'can-open' : '', props.chosen?.(row) ? 'chosen' : ''].join(' ').trim()}
              onClick={props.onRow ? (e) => onClick(e, row) : undefined}
            >
              {columns.map((c) => (
                <td
                  role="cell"
                  key={c.key}
                  class={c.kind ? `cell-${c.kind}` : ''}
                  data-label={c.label ?? (typeof c.head === 'string' ? c.head : '')}
                >
                  {c.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
