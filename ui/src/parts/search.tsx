// SPDX-License-Identifier: Apache-2.0
//
// The box that a list is searched by: text, and a button. What is searched for is the page's; here is only what is being typed.

import { useLayoutEffect, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Button } from './controls.tsx';
import { Icon } from './icons.tsx';

/** `text`: what is searched for now. onSearch gives back what stays in the box when part of it became filters. */
export function SearchBox(props: { label: string; hint: string; text: string; onSearch: (text: string) => string | void | Promise<string | void> }) {
  const [text, setText] = useState(props.text);
  // With the list that was searched, not after it: who sees the list may already type the next search.
  useLayoutEffect(() => setText(props.text), [props.text]);
  const onSubmit = async (e: Event) => {
    e.preventDefault();
    const left = await props.onSearch(text);
    if (typeof left === 'string') setText(left);
  };
  return (
    <form class="searchbox" role="search" onSubmit={(e) => void onSubmit(e)}>
      <Icon name="search" />
      <input
        type="search"
        aria-label={props.label}
        placeholder={props.hint}
        value={text}
        spellcheck={false}
        autocapitalize="none"
        onInput={(e) => setText(e.currentTarget.value)}
      />
      <Button type="submit" small>
        {t('ui.search')}
      </Button>
    </form>
  );
}
