// SPDX-License-Identifier: Apache-2.0
//
// The keys, on one sheet.

import { t, type Key } from '../i18n/index.ts';
import { Dialog } from '../parts/overlay.tsx';

const rows: [string[], Key][] = [
  [['j', 'k'], 'help.move'],
  [['Enter'], 'help.open'],
  [['/'], 'help.search'],
  [['Esc'], 'help.close'],
  [['g'], 'help.go'],
  [['x'], 'help.select'],
  [['e', 'd', 'f'], 'help.triage'],
  [['l'], 'help.live'],
  [['Ctrl', 'S'], 'help.save'],
  [['?'], 'help.help'],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t('help.title')} onClose={onClose}>
      <dl class="keys">
        {rows.map(([keys, text]) => (
          <div key={text}>
            <dt>
              {keys.map((k) => (
                <kbd>{k}</kbd>
              ))}
            </dt>
            <dd>{t(text)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
