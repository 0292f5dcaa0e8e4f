// SPDX-License-Identifier: Apache-2.0
//
// What stands where data would be: loading, nothing there, an error with its reason and its cure.

import type { ComponentChildren } from 'preact';
import type { ApiError } from '../api/client.ts';
import { t, type Key } from '../i18n/index.ts';
import { Raw } from './text.tsx';
import { Button } from './controls.tsx';

export function Loading({ lines = 4 }: { lines?: number }) {
  return (
    <div class="loading" role="status">
      <span class="sr">{t('ui.loading')}</span>
      {Array.from({ length: lines }, () => (
        <span class="bone" aria-hidden="true" />
      ))}
    </div>
  );
}

export function Empty({ what, cure, children }: { what: string; cure?: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-what">{what}</p>
      {cure && <p>{cure}</p>}
      {children}
    </div>
  );
}

const byStatus: Record<number, [Key, Key]> = {
  0: ['error.unreachable', 'error.unreachableCure'],
  403: ['error.forbidden', 'error.forbiddenCure'],
  404: ['error.missing', 'error.missingCure'],
  409: ['error.conflict', 'error.conflictCure'],
  429: ['error.busy', 'error.busyCure'],
  503: ['error.busy', 'error.busyCure'],
};

/** What happened and what to do, in the words of the server when it has any. */
export function errorText(e: ApiError): { what: string; expected: string; cure: string; request: string } {
  const own = byStatus[e.status];
  const script = e.problem.code === 'script';
  return {
    what:
      (script ? `${t('error.script')} ${e.problem.what}` : e.problem.what) ||
      (own ? t(own[0]) : t('error.other', { code: e.problem.code })),
    expected: e.problem.expected ?? '',
    // Whoever reads the server's journal finds it by this.
    request: e.status >= 500 ? (e.problem.request ?? '') : '',
    cure: e.problem.cure || (own ? t(own[1]) : script ? t('error.scriptCure') : t('error.otherCure')),
  };
}

export function Failure({ error, retry }: { error: ApiError; retry?: () => void }) {
  const text = errorText(error);
  return (
    <div class="failure" role="alert">
      <p class="failure-what">
        <Raw text={text.what} />
      </p>
      {text.expected && (
        <p>
          <Raw text={t('error.expected', { text: text.expected })} />
        </p>
      )}
      <p>
        <Raw text={text.cure} />
      </p>
      {text.request && (
        <p class="faint">
          <Raw text={t('error.request', { id: text.request })} mono />
        </p>
      )}
      {retry && <Button onClick={retry}>{t('error.retry')}</Button>}
    </div>
  );
}

/** The usual ladder: value, else error, else loading. An error over an old value is said above it. */
export function Show<T>(props: {
  data: { value: T | null; error: ApiError | null; reload: () => void };
  lines?: number;
  children: (value: T) => ComponentChildren;
}) {
  const { value, error, reload } = props.data;
  if (value === null) return error ? <Failure error={error} retry={reload} /> : <Loading lines={props.lines ?? 4} />;
  return (
    <>
      {error && <Failure error={error} retry={reload} />}
      {props.children(value)}
    </>
  );
}
