// SPDX-License-Identifier: Apache-2.0
//
// Drawers and dialogues: the browser's own <dialog>, which keeps the focus inside, makes the rest
// inert, closes on Esc and gives the focus back.

import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Button, Field, useAction } from './controls.tsx';
import { Failure } from './states.tsx';

/** `stays`: cannot be closed by who looks at it. */
function useDialog(onClose: () => void, stays = false) {
  const box = useRef<HTMLDialogElement>(null);
  const head = useRef<HTMLHeadingElement>(null);
  const closing = useRef(false);
  useLayoutEffect(() => {
    const d = box.current;
    if (!d) return;
    d.showModal();
    head.current?.focus({ preventScroll: true });
    return () => {
      closing.current = true;
      d.close();
    };
  }, []);
  return {
    box,
    head,
    props: {
      onCancel: (e: Event) => {
        // Only ours: a <select> inside has a cancel of its own.
        if (e.target !== box.current) return;
        e.preventDefault();
        onClose();
      },
      // Browsers close it at the second Esc whatever the page says.
      onClose: () => {
        if (closing.current) return;
        if (stays && box.current?.isConnected) box.current.showModal();
        else onClose();
      },
      onClick: (e: MouseEvent) => {
        if (e.target === box.current && !stays) onClose();
      },
    },
  };
}

/** At the right side (the whole screen of a phone): one thing of a list, in full. */
export function Drawer(props: {
  title: ComponentChildren;
  onClose: () => void;
  actions?: ComponentChildren;
  children: ComponentChildren;
}) {
  const { box, head, props: on } = useDialog(props.onClose);
  const id = useId();
  return (
    <dialog ref={box} class="drawer" aria-labelledby={id} {...on}>
      <div class="drawer-body">
        <header class="drawer-head">
          <h2 id={id} ref={head} tabIndex={-1}>
            {props.title}
          </h2>
          <div class="drawer-actions">{props.actions}</div>
          <Button kind="quiet" icon="close" label={t('ui.close')} onClick={props.onClose} />
        </header>
        <div class="drawer-scroll">{props.children}</div>
      </div>
    </dialog>
  );
}

export function Dialog(props: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
  stays?: boolean;
}) {
  const { box, head, props: on } = useDialog(props.onClose, props.stays);
  const id = useId();
  return (
    <dialog ref={box} class={props.wide ? 'ask ask-wide' : 'ask'} aria-labelledby={id} {...on}>
      <div class="ask-body">
        <header class="ask-head">
          <h2 id={id} ref={head} tabIndex={-1}>
            {props.title}
          </h2>
          {!props.stays && <Button kind="quiet" icon="close" label={t('ui.close')} onClick={props.onClose} />}
        </header>
        {props.children}
      </div>
    </dialog>
  );
}

/** A form in a dialogue: what the server refuses is said in it, and it closes when it worked. */
export function FormDialog(props: {
  title: string;
  go: string;
  danger?: boolean;
  wide?: boolean;
  disabled?: boolean;
  onClose: () => void;
  onGo: () => Promise<void>;
  children?: ComponentChildren;
}) {
  const action = useAction();
  const onSubmit = async (e: Event) => {
    e.preventDefault();
    if (!props.disabled && !action.busy && (await action.run(props.onGo))) props.onClose();
  };
  return (
    <Dialog title={props.title} onClose={props.onClose} wide={props.wide}>
      <form onSubmit={onSubmit} class="form">
        {props.children}
        {action.error && <Failure error={action.error} />}
        <div class="form-end">
          <Button onClick={props.onClose}>{t('ui.cancel')}</Button>
          <Button type="submit" kind={props.danger ? 'danger' : 'main'} disabled={props.disabled || action.busy}>
            {props.go}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** For what cannot be taken back: says what happens; `word` has to be typed when it is given. */
export function Confirm(props: {
  title: string;
  lead: string;
  go: string;
  word?: string;
  onClose: () => void;
  onGo: () => Promise<void>;
}) {
  const [typed, setTyped] = useState('');
  return (
    <FormDialog
      title={props.title}
      go={props.go}
      danger
      disabled={props.word !== undefined && typed !== props.word}
      onClose={props.onClose}
      onGo={props.onGo}
    >
      <p>{props.lead}</p>
      {props.word !== undefined && (
        <Field
          label={t('ui.confirmType', { word: props.word })}
          value={typed}
          autocomplete="off"
          onInput={(e) => setTyped(e.currentTarget.value)}
        />
      )}
    </FormDialog>
  );
}
