// SPDX-License-Identifier: Apache-2.0
//
// The head that every page has, and sections beneath it.

import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

export function PageHead({ title, lead, children }: { title: ComponentChildren; lead?: string; children?: ComponentChildren }) {
  return (
    <header class="page-head">
      <div>
        <h1>{title}</h1>
        {lead && <p class="lead">{lead}</p>}
      </div>
      {children && <div class="page-do">{children}</div>}
    </header>
  );
}

export function Section(props: { title: string; lead?: string; actions?: ComponentChildren; children: ComponentChildren; wide?: boolean }) {
  const id = useId();
  return (
    <section class={props.wide ? 'section section-wide' : 'section'} aria-labelledby={id}>
      <header class="section-head">
        <h2 id={id}>{props.title}</h2>
        {props.actions && <div class="section-do">{props.actions}</div>}
      </header>
      {props.lead && <p class="lead">{props.lead}</p>}
      {props.children}
    </section>
  );
}
