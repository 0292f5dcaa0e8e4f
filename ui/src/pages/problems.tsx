// SPDX-License-Identifier: Apache-2.0
//
// What is wrong, and what to do about it.

import type { Problem } from '../api/types.ts';
import { t } from '../i18n/index.ts';
import { Raw } from '../parts/text.tsx';

export function Problems({ rows }: { rows: Problem[] }) {
  return (
    <ul class="problems">
      {rows.map((p) => (
        <li class="problem">
          <p class="problem-what">
            <Raw text={p.what} />
          </p>
          {p.cure && (
            <p>
              <b>{t('ui.cure')}:</b> <Raw text={p.cure} />
            </p>
          )}
        </li>
      ))}
    </ul>
  );
}
