// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LiveTail, type LiveState } from '../../ui/src/api/live.ts';

class Source extends EventTarget {
  static CLOSED = 2;
  static last: Source | null = null;
  static opened = 0;
  readyState = 1;
  readonly url: string;

  constructor(url: string) {
    super();
    this.url = url;
    Source.last = this;
    Source.opened++;
  }

  close(): void {
    this.readyState = 2;
  }

  say(type: string, data: unknown): void {
    this.dispatchEvent(Object.assign(new Event(type), { data: typeof data === 'string' ? data : JSON.stringify(data) }));
  }
}
globalThis.EventSource = Source as unknown as typeof EventSource;
globalThis.fetch = (async () => new Response('{}', { status: 501 })) as typeof fetch;

// Time passes when the test says so (Node 18 has no timers to mock).
let now = 0;
let due: { at: number; fn: () => void }[] = [];
globalThis.setTimeout = ((fn: () => void, ms: number) => {
  const t = { at: now + ms, fn };
  due.push(t);
  return t;
}) as unknown as typeof setTimeout;
globalThis.clearTimeout = ((t: (typeof due)[number]) => {
  due = due.filter((d) => d !== t);
}) as unknown as typeof clearTimeout;

function pass(ms: number): void {
  now += ms;
  for (const t of due.filter((d) => d.at <= now)) {
    clearTimeout(t as never);
    t.fn();
  }
}

function tail(): { live: LiveTail; state: () => LiveState; source: () => Source } {
  let state: LiveState | null = null;
  const live = new LiveTail((s) => (state = s));
  live.start(new URLSearchParams('outcome=denied'));
  Source.last?.dispatchEvent(new Event('open'));
  return {
    live,
    state: () => {
      pass(300);
      return state as unknown as LiveState;
    },
    source: () => Source.last as Source,
  };
}

test('the newest comes first, and the page keeps a bounded number', () => {
  const { live, state, source } = tail();
  for (let i = 0; i < 700; i++) source().say('record', { id: String(i) });
  const s = state();
  assert.equal(s.connected, true);
  assert.equal(s.rows.length, 500);
  assert.equal(s.rows[0]?.id, '699');
  assert.equal(s.dropped, 0);
  live.stop();
});

test('paused rows wait in their order; what does not fit is counted', () => {
  const { live, state, source } = tail();
  source().say('record', { id: 'a' });
  live.pause(true);
  for (let i = 0; i < 510; i++) source().say('record', { id: String(i) });
  let s = state();
  assert.deepEqual([s.rows.length, s.waiting, s.dropped, s.paused], [1, 500, 10, true]);
  live.pause(false);
  s = state();
  assert.deepEqual([s.rows[0]?.id, s.waiting, s.paused], ['509', 0, false]);
  live.stop();
});

test('what the server left out, and what could not be read, is lost', () => {
  const { live, state, source } = tail();
  source().say('lost', { lost: 37 });
  source().say('lost', 'not json');
  source().say('record', '{"id":');
  assert.equal(state().lost, 39);
  live.stop();
});

test('a refusal is said and tried again; a short break is left to the browser', () => {
  const { live, state, source } = tail();
  const opened = Source.opened;
  source().readyState = 0;
  source().dispatchEvent(new Event('error'));
  let s = state();
  assert.deepEqual([s.connected, s.refused], [false, false]);
  source().readyState = Source.CLOSED;
  source().dispatchEvent(new Event('error'));
  s = state();
  assert.deepEqual([s.connected, s.refused], [false, true]);
  pass(6000);
  assert.equal(Source.opened, opened + 1);
  assert.match(source().url, /events\/stream\?outcome=denied/);
  live.stop();
  pass(60_000);
  assert.equal(Source.opened, opened + 1);
});
