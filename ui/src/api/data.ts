// SPDX-License-Identifier: Apache-2.0
//
// Data of a page: loaded when it appears or its key changes, again when asked or every so often while
// the page is looked at. The last good value stays while a new one is on its way.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, expired } from './client.ts';
import type { Page } from './ui.ts';

export interface Data<T> {
  value: T | null;
  error: ApiError | null;
  loading: boolean;
  reload: () => void;
  set: (value: T) => void;
}

export function asError(e: unknown): ApiError {
  return e instanceof ApiError ? e : new ApiError(0, { what: String(e), code: 'script' });
}

/** `key` null: nothing to load. `every`: ms between loads. */
export function useData<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>, every = 0): Data<T> {
  const [state, setState] = useState<{ key: string | null; value: T | null; error: ApiError | null; loading: boolean }>({
    key,
    value: null,
    error: null,
    loading: key !== null,
  });
  const [turn, setTurn] = useState(0);
  const fn = useRef(load);
  fn.current = load;

  useEffect(() => {
    if (key === null) return;
    const abort = new AbortController();
    setState((s) => ({ key, value: s.key === key ? s.value : null, error: null, loading: true }));
    fn.current(abort.signal).then(
      (value) => !abort.signal.aborted && setState({ key, value, error: null, loading: false }),
      (e) => {
        if (!abort.signal.aborted) setState((s) => ({ ...s, error: asError(e), loading: false }));
      },
    );
    return () => abort.abort();
  }, [key, turn]);

  const reload = useCallback(() => setTurn((n) => n + 1), []);

  useEffect(() => {
    if (key === null || !every) return;
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible' && !expired.get()) reload();
    }, every);
    return () => clearInterval(timer);
  }, [key, every, reload]);

  // Whoever logs in again sees what failed in between.
  useEffect(() => expired.watch((gone) => !gone && reload()), [reload]);

  const set = useCallback((value: T) => setState((s) => ({ ...s, value })), []);
  const current = state.key === key;
  return {
    value: current ? state.value : null,
    error: current ? state.error : null,
    loading: current ? state.loading : key !== null,
    reload,
    set,
  };
}

/** Until somebody looks at the page, and is logged in; at once when that is so. */
function lookedAt(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stops: (() => void)[] = [];
    const look = () => {
      if (!signal.aborted && (document.visibilityState !== 'visible' || expired.get())) return;
      stops.forEach((stop) => stop());
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    signal.addEventListener('abort', look);
    stops.push(() => document.removeEventListener('visibilitychange', look), () => signal.removeEventListener('abort', look), expired.watch(look));
    look();
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => (clearTimeout(timer), signal.removeEventListener('abort', done), resolve());
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

/**
 * For what takes its time to answer and is not asked for in vain: again `every` ms after each answer, never twice at once, and not
 * while nobody looks or it is paused.
 */
export function useLive<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>, every: (value: T | null) => number, paused = false): Data<T> {
  interface State {
    key: string | null;
    value: T | null;
    error: ApiError | null;
    loading: boolean;
  }
  const [state, setState] = useState<State>({ key, value: null, error: null, loading: key !== null });
  const [turn, setTurn] = useState(0);
  const now = useRef({ load, every });
  now.current = { load, every };
  const asked = useRef('');
  useEffect(() => {
    // Who has paused it may still ask once more.
    if (key === null || (paused && asked.current === `${turn} ${key}`)) return;
    asked.current = `${turn} ${key}`;
    const abort = new AbortController();
    const { signal } = abort;
    const ask = async () => {
      while (!signal.aborted) {
        let value: T | null = null;
        await lookedAt(signal);
        if (signal.aborted) return;
        setState((s) => ({ key, value: s.key === key ? s.value : null, error: null, loading: true }));
        try {
          value = await now.current.load(signal);
          if (!signal.aborted) setState({ key, value, error: null, loading: false });
        } catch (e) {
          if (!signal.aborted) setState((s) => ({ ...s, error: asError(e), loading: false }));
        }
        if (paused) return;
        await pause(now.current.every(value), signal);
      }
    };
    void ask();
    return () => {
      abort.abort();
      setState((s) => ({ ...s, loading: false }));
    };
  }, [key, turn, paused]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const set = useCallback((value: T) => setState((s) => ({ ...s, value })), []);
  const current = state.key === key;
  return { value: current ? state.value : null, error: current ? state.error : null, loading: current ? state.loading : key !== null, reload, set };
}

export interface List<T> {
  items: T[];
  more: boolean;
  truncated: boolean;
  error: ApiError | null;
  loading: boolean;
  loadMore: () => void;
  reload: () => void;
  setItems: (fn: (items: T[]) => T[]) => void;
}

/** A list in pages: loadMore() asks for the next one. */
export function useList<T>(
  key: string | null,
  load: (cursor: string | null, signal: AbortSignal) => Promise<Page<T>>,
  every = 0,
): List<T> {
  interface State {
    items: T[];
    next: string | null;
    truncated: boolean;
    error: ApiError | null;
    loading: boolean;
    pages: number;
  }
  const start: State = { items: [], next: null, truncated: false, error: null, loading: key !== null, pages: 0 };
  const [state, setState] = useState<State>(start);
  const [turn, setTurn] = useState(0);
  const fn = useRef(load);
  fn.current = load;
  const abort = useRef<AbortController | null>(null);
  const keyNow = useRef<string | null>(null);

  const fetchPage = useCallback((cursor: string | null) => {
    abort.current?.abort();
    const a = new AbortController();
    abort.current = a;
    setState((s) => ({ ...s, loading: true, error: null }));
    fn.current(cursor, a.signal).then(
      (page) => {
        if (a.signal.aborted) return;
        setState((s) => ({
          items: cursor === null ? page.items : s.items.concat(page.items),
          next: page.next ?? null,
          truncated: page.truncated === true,
          error: null,
          loading: false,
          pages: cursor === null ? 1 : s.pages + 1,
        }));
      },
      (e) => {
        if (!a.signal.aborted) setState((s) => ({ ...s, loading: false, error: asError(e) }));
      },
    );
  }, []);

  useEffect(() => {
    if (key === null) return;
    if (keyNow.current !== key) setState({ ...start, loading: true });
    keyNow.current = key;
    fetchPage(null);
    return () => abort.current?.abort();
  }, [key, turn]);

  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const pages = useRef(0);
  pages.current = state.pages;
  useEffect(() => {
    if (key === null || !every) return;
    const timer = setInterval(() => {
      // Whoever reads on further down is not thrown back to the first page.
      if (document.visibilityState === 'visible' && !expired.get() && pages.current <= 1) reload();
    }, every);
    return () => clearInterval(timer);
  }, [key, every, reload]);
  useEffect(() => expired.watch((gone) => !gone && reload()), [reload]);

  return {
    items: state.items,
    more: state.next !== null,
    truncated: state.truncated,
    error: state.error,
    loading: state.loading,
    loadMore: () => {
      if (!state.loading && state.next !== null) fetchPage(state.next);
    },
    reload,
    setItems: (change) => setState((s) => ({ ...s, items: change(s.items) })),
  };
}
