// SPDX-License-Identifier: Apache-2.0
//
// Drawn here, 16 by 16, in the colour of the text around them. They say nothing that the text beside
// them does not.

const paths = {
  overview: 'M2 13.5h12M3.5 13V8.5M6.5 13V4.5M9.5 13V7M12.5 13V2.5',
  records: 'M2.5 3.5h11M2.5 6.5h11M2.5 9.5h7M2.5 12.5h9',
  alerts: 'M8 2 14.2 13.3H1.8ZM8 6.3v3.4M8 11.2v.6',
  hosts: 'M2.5 3h11v4h-11ZM2.5 9h11v4h-11ZM5 5h.01M5 11h.01',
  network: 'M8 2.2v4M3 13.5V10h10v3.5M8 6.2V10M6.5 2.2h3v2h-3ZM1.8 12.5h2.6v1.8H1.8ZM6.7 12.5h2.6v1.8H6.7ZM11.6 12.5h2.6v1.8h-2.6ZM8 10v2.5',
  policies: 'M8 1.8 13 3.6v4c0 3.4-2.2 5.6-5 6.8-2.8-1.2-5-3.4-5-6.8v-4ZM5.8 7.8l1.6 1.6 2.9-3',
  users: 'M8 7.5a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2ZM2.8 14c.4-3 2.5-4.4 5.2-4.4s4.8 1.4 5.2 4.4',
  tokens: 'M9.8 9.2a3.4 3.4 0 1 0-3-3L2 11v3h3v-1.8h1.8v-1.8ZM10.8 5.2h.010',
  enrol: 'M8 3v10M3 8h10',
  audit: 'M3.5 1.8h6l3 3v9.4h-9ZM5.8 7h4.4M5.8 9.5h4.4M5.8 12h2.4',
  channels: 'M3.5 11.5h9l-1.2-1.8V7a3.3 3.3 0 0 0-6.6 0v2.7ZM6.8 13.5h2.4',
  settings: 'M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6M10 3v3M6 10v3',
  server: 'M1.8 8.5h3l1.7-5 3 9.5 1.7-4.5h3',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  menu: 'M2.5 4h11M2.5 8h11M2.5 12h11',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.5 10.5l3.2 3.2',
  play: 'M5 3.2v9.6l7.5-4.8Z',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  down: 'M4 6.2l4 4 4-4',
  theme: 'M8 2.2a5.8 5.8 0 1 0 0 11.6ZM8 2.2a5.8 5.8 0 0 1 0 11.6',
  check: 'M3 8.5l3.4 3.3L13 4.8',
  link: 'M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2.3-2.3a2.6 2.6 0 0 0-3.7-3.7l-.7.7M9.2 6.8a2.6 2.6 0 0 0-3.7 0L3.2 9.1a2.6 2.6 0 0 0 3.7 3.7l.7-.7',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}

/** The sign of the product: a keyhole in a shield, a hook for the curious. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path class="mark-shield" d="M12 1.8 20.5 5v6.5c0 5.3-3.6 8.9-8.5 10.7C7.1 20.4 3.5 16.8 3.5 11.5V5Z" />
      <path class="mark-hole" d="M12 7.2a2.6 2.6 0 0 1 1.3 4.85L14.1 16.5H9.9l.8-4.45A2.6 2.6 0 0 1 12 7.2Z" />
    </svg>
  );
}
