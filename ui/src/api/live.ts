// SPDX-License-Identifier: Apache-2.0
//
// The live tail: records as they come, over server-sent events. What is not shown is counted: what the
// server left out because we were too slow, and what this page dropped while it was paused.

import type { Event as EventRow } from './types.ts';
import { api, apiUrl } from './client.ts';

export interface LiveState {
  rows: EventRow[];
  /** Left out by the server, which tells so. */
  lost: number;
  /** Came while paused and did not fit. */
  dropped: number;
  waiting: number;
  connected: boolean;
  /** The server does not want to: it is asked again after a while. */
  refused: boolean;
  paused: boolean;
}

/** As many rows are kept on the page; older ones leave it (they are in the search). */
const ROWS_MAX = 500;
const WAITING_MAX = 500;
/** The page is drawn at most this often. */
const DRAW_MS = 250;
const RETRY_MS = 5000;

/** How many the server says; at least one, when it does not say it in a way that is understood. */
function lostCount(data: string): number {
  try {
    const n = Number((JSON.parse(data) as { lost?: unknown }).lost);
    return Number.isSafeInteger(n) && n > 0 ? n : 1;
  } catch {
    return 1;
  }
}

export class LiveTail {
  private source: EventSource | null = null;
  private rows: EventRow[] = [];
  private waiting: EventRow[] = [];
  private lost = 0;
  private dropped = 0;
  private connected = false;
  private refused = false;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private paused = false;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private readonly draw: (state: LiveState) => void;

  constructor(draw: (state: LiveState) => void) {
    this.draw = draw;
  }

  start(query: URLSearchParams): void {
    this.stop();
    const source = new EventSource(apiUrl('events/stream', query));
    this.source = source;
    source.addEventListener('open', () => {
      this.connected = true;
      this.refused = false;
      this.soon();
    });
    source.addEventListener('error', () => {
      this.connected = false;
      this.soon();
      // The browser tries again by itself unless the server refused.
      if (source.readyState !== EventSource.CLOSED) return;
      this.refused = true;
      // Perhaps the session has ended: this says so to the frame.
      api.get('session').catch(() => undefined);
      this.retry = setTimeout(() => this.start(query), RETRY_MS);
    });
    source.addEventListener('record', (e) => this.take(e as MessageEvent<string>));
    source.addEventListener('lost', (e) => {
      this.lost += lostCount((e as MessageEvent<string>).data);
      this.soon();
    });
  }

  private take(e: MessageEvent<string>): void {
    let row: EventRow;
    try {
      row = JSON.parse(e.data) as EventRow;
    } catch {
      this.lost++;
      return;
    }
    if (this.paused) {
      this.waiting.unshift(row);
      if (this.waiting.length > WAITING_MAX) {
        this.waiting.length = WAITING_MAX;
        this.dropped++;
      }
    } else this.push([row]);
    this.soon();
  }

  private push(rows: EventRow[]): void {
    this.rows = rows.concat(this.rows).slice(0, ROWS_MAX);
  }

  pause(on: boolean): void {
    this.paused = on;
    if (!on) {
      this.push(this.waiting);
      this.waiting = [];
    }
    this.soon();
  }

  private soon(): void {
    if (this.timer !== null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.draw({
        rows: this.rows,
        lost: this.lost,
        dropped: this.dropped,
        waiting: this.waiting.length,
        connected: this.connected,
        refused: this.refused,
        paused: this.paused,
      });
    }, DRAW_MS);
  }

  stop(): void {
    this.source?.close();
    this.source = null;
    if (this.timer !== null) clearTimeout(this.timer);
    if (this.retry !== null) clearTimeout(this.retry);
    this.timer = null;
    this.retry = null;
  }
}
