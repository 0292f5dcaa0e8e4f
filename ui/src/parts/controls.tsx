// SPDX-License-Identifier: Apache-2.0
//
// Buttons, fields, what is copied, and messages that come and go.

import type { ComponentChildren, TargetedEvent } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { asError } from '../api/data.ts';
import type { ApiError } from '../api/client.ts';
import { t } from '../i18n/index.ts';
import { store, useStore } from '../lib/store.ts';
import { Icon, type IconName } from './icons.tsx';

export function Button(props: {
  children?: ComponentChildren;
  onClick?: (e: MouseEvent) => void;
  kind?: 'main' | 'danger' | 'quiet';
  icon?: IconName;
  label?: string;
  type?: 'button' | 'submit';
  disabled?: boolean;
  pressed?: boolean;
  small?: boolean;
  title?: string;
}) {
  const cls = ['button', props.kind ? `button-${props.kind}` : '', props.small ? 'button-small' : '', props.children ? '' : 'button-icon'];
  return (
    <button
      type={props.type ?? 'button'}
      class={cls.filter(Boolean).join(' ')}
      onClick={props.onClick}
      disabled={props.disabled}
      aria-label={props.label}
      aria-pressed={props.pressed}
      title={props.title ?? (props.children ? undefined : props.label)}
    >
      {props.icon && <Icon name={props.icon} />}
      {props.children}
    </button>
  );
}

interface InputProps {
  type?: 'text' | 'password' | 'number' | 'search' | 'datetime-local';
  value: string | number;
  onInput?: (e: TargetedEvent<HTMLInputElement>) => void;
  name?: string;
  autocomplete?: string;
  autocapitalize?: 'none';
  spellcheck?: boolean;
  required?: boolean;
  readOnly?: boolean;
  min?: number;
  max?: number;
  minLength?: number;
}

export function Field(
  props: { label: string; hint?: string; error?: string | null; hideLabel?: boolean } & InputProps,
) {
  const id = useId();
  const { label, hint, error, hideLabel, ...rest } = props;
  const notes = [hint ? `${id}h` : '', error ? `${id}e` : ''].filter(Boolean).join(' ');
  return (
    <div class="field">
      <label for={id} class={hideLabel ? 'sr' : ''}>
        {label}
      </label>
      <input id={id} aria-describedby={notes || undefined} aria-invalid={error ? true : undefined} {...(rest as object)} />
      {hint && (
        <span class="hint" id={`${id}h`}>
          {hint}
        </span>
      )}
      {error && (
        <span class="field-error" id={`${id}e`} role="alert">
          {error}
        </span>
      )}
    </div>
  );
}

export function TextArea(props: {
  label: string;
  value: string;
  onValue: (v: string) => void;
  rows?: number;
  hint?: string;
  error?: string | null;
  mono?: boolean;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <textarea
        id={id}
        rows={props.rows ?? 3}
        class={props.mono ? 'mono' : ''}
        value={props.value}
        aria-describedby={props.hint ? `${id}h` : undefined}
        aria-invalid={props.error ? true : undefined}
        onInput={(e) => props.onValue(e.currentTarget.value)}
      />
      {props.hint && (
        <span class="hint" id={`${id}h`}>
          {props.hint}
        </span>
      )}
      {props.error && (
        <span class="field-error" role="alert">
          {props.error}
        </span>
      )}
    </div>
  );
}

export function Select<T extends string>(props: {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onValue: (v: T) => void;
  hideLabel?: boolean;
  disabled?: boolean;
}) {
  const id = useId();
  return (
    <div class="field field-select">
      <label for={id} class={props.hideLabel ? 'sr' : ''}>
        {props.label}
      </label>
      <select
        id={id}
        value={props.value}
        disabled={props.disabled}
        onChange={(e) => props.onValue(e.currentTarget.value as T)}
      >
        {props.options.map(([v, text]) => (
          <option value={v} selected={v === props.value}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

/** One of few, all visible. */
export function Segments<T extends string>(props: {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onValue: (v: T) => void;
}) {
  return (
    <div class="segments" role="group" aria-label={props.label}>
      {props.options.map(([v, text]) => (
        <button type="button" aria-pressed={v === props.value} onClick={() => props.onValue(v)}>
          {text}
        </button>
      ))}
    </div>
  );
}

export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** A command or a secret, and a button that copies it. */
export function Copyable({ text, label }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const box = useRef<HTMLElement>(null);
  const onClick = async () => {
    const worked = await copy(text);
    setDone(worked);
    // Without a clipboard the text is chosen, so that a key copies it.
    if (!worked && box.current) getSelection()?.selectAllChildren(box.current);
  };
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <div class="copyable">
      <code ref={box} tabIndex={0} aria-label={label}>
        {text}
      </code>
      <Button small onClick={onClick}>
        {done ? t('ui.copied') : t('ui.copy')}
      </Button>
      <span class="sr" role="status">
        {done ? t('ui.copied') : ''}
      </span>
    </div>
  );
}

interface Notice {
  id: number;
  text: string;
  bad: boolean;
}

const notices = store<Notice[]>([]);
let noticeId = 0;

/** Says for some seconds that something worked; what failed stays until it is closed. */
export function notify(text: string, bad = false): void {
  const notice = { id: ++noticeId, text, bad };
  notices.set([...notices.get().slice(-3), notice]);
  if (!bad) setTimeout(() => dismiss(notice.id), 5000);
}

function dismiss(id: number): void {
  notices.set(notices.get().filter((n) => n.id !== id));
}

export function Notices() {
  const list = useStore(notices);
  return (
    <div class="notices" role="status" aria-live="polite">
      {list.map((n) => (
        <div class={n.bad ? 'notice notice-bad' : 'notice'} key={n.id}>
          <span>{n.text}</span>
          <Button kind="quiet" small icon="close" label={t('ui.close')} onClick={() => dismiss(n.id)} />
        </div>
      ))}
    </div>
  );
}

/** Runs something that changes the server: busy meanwhile, the error kept for the form. */
export function useAction(): {
  busy: boolean;
  error: ApiError | null;
  run: (fn: () => Promise<void>) => Promise<boolean>;
  clear: () => void;
} {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const run = async (fn: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    try {
      await fn();
      return true;
    } catch (e) {
      setError(asError(e));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, run, clear: () => setError(null) };
}
