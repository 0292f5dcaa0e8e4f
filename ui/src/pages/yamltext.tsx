// SPDX-License-Identifier: Apache-2.0
//
// Lines of a policy in colour, for reading: previews, versions, differences.

import { t } from '../i18n/index.ts';
import { diff, hunks, type DiffLine } from '../lib/diff.ts';
import { plain } from '../lib/text.ts';
import { tokenise } from '../lib/yaml.ts';

export function Tokens({ line }: { line: string }) {
  return (
    <>
      {tokenise(line).map((token) => (
        <span class={`y-${token.kind}`}>{plain(token.text)}</span>
      ))}
    </>
  );
}

export function PolicyText({ text }: { text: string }) {
  return (
    <pre class="yaml" tabIndex={0}>
      {text.split('\n').map((line) => (
        <>
          <Tokens line={line} />
          {'\n'}
        </>
      ))}
    </pre>
  );
}

const marks: Record<DiffLine['kind'], string> = { same: ' ', added: '+', removed: '−' };

export function DiffView({ before, after }: { before: string; after: string }) {
  const lines = hunks(diff(before, after));
  if (!lines.some((l) => l && l.kind !== 'same')) return <p class="faint">{t('versions.same')}</p>;
  return (
    <div class="diff" tabIndex={0} role="region" aria-label={t('versions.compare')}>
      {lines.map((line) =>
        line === null ? (
          <div class="diff-gap">⋯ {t('versions.left')}</div>
        ) : (
          <div class={`diff-line diff-${line.kind}`}>
            <span class="diff-no" aria-hidden="true">
              {line.old || ''}
            </span>
            <span class="diff-no" aria-hidden="true">
              {line.new || ''}
            </span>
            <span class="diff-mark" aria-hidden="true">
              {marks[line.kind]}
            </span>
            {line.kind !== 'same' && (
              <span class="sr">{t(line.kind === 'added' ? 'versions.added' : 'versions.removed')}: </span>
            )}
            <code>
              <Tokens line={line.text} />
            </code>
          </div>
        ),
      )}
    </div>
  );
}
