// SPDX-License-Identifier: Apache-2.0
//
// Talks to the server: JSON over fetch, the CSRF word on every change, and errors as the server says
// them: what, what was expected, what to do. The session's cookie is not readable here.

import { store } from '../lib/store.ts';
import type { ErrorBody as ApiProblem, Session } from './types.ts';

const PREFIX = '/api/v1/';

/** null: not asked yet; false: nobody is logged in. */
export const session = store<Session | null | false>(null);

/** The session ended while somebody worked: the page stays, and a log-in comes over it. */
export const expired = store(false);

/** Server's clock minus ours, in ms, from the answers. */
export const clockOffset = store(0);

/** The server did not answer the last request. */
export const offline = store(false);

export class ApiError extends Error {
  readonly status: number;
  readonly problem: ApiProblem;

  constructor(status: number, problem: ApiProblem) {
    super(problem.what);
    this.status = status;
    this.problem = problem;
  }
}

export function serverNow(): number {
  return Date.now() + clockOffset.get();
}

type Query = URLSearchParams | Record<string, string | number | boolean | null | undefined>;

export function apiUrl(path: string, query?: Query): string {
  let params: URLSearchParams;
  if (query instanceof URLSearchParams) params = query;
  else {
    params = new URLSearchParams();
    for (const [k, v] of Object.entries(query ?? {}))
      if (v !== null && v !== undefined && v !== '') params.set(k, String(v));
  }
  const text = params.toString();
  return PREFIX + path + (text ? `?${text}` : '');
}

function noteClock(answer: Response): void {
  const date = Date.parse(answer.headers.get('date') ?? '');
  // The header has whole seconds: only what is surely wrong is corrected.
  if (Number.isNaN(date)) return;
  const off = date + 500 - Date.now();
  clockOffset.set(Math.abs(off) > 2000 ? off : 0);
}

function problemOf(status: number, body: unknown): ApiProblem {
  const e = (body as { error?: Partial<ApiProblem> } | null)?.error;
  if (e && typeof e.what === 'string') return { ...e, what: e.what, code: e.code ?? String(status) };
  return { what: '', code: `http-${status}` };
}

async function send(method: string, path: string, query: Query | undefined, body: unknown, signal?: AbortSignal) {
  const headers: Record<string, string> = { Accept: 'application/json' };
  const s = session.get();
  if (method !== 'GET' && s && s.csrf) headers['X-CSRF-Token'] = s.csrf;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let answer: Response;
  try {
    answer = await fetch(apiUrl(path, query), {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: 'same-origin',
      redirect: 'error',
      signal: signal ?? null,
    });
  } catch (e) {
    if (signal?.aborted) throw e;
    offline.set(true);
    throw new ApiError(0, { what: '', code: 'unreachable' });
  }
  offline.set(false);
  noteClock(answer);
  return answer;
}

async function request<T>(
  method: string,
  path: string,
  query?: Query,
  body?: unknown,
  signal?: AbortSignal,
): Promise<T> {
  const answer = await send(method, path, query, body, signal);
  let value: unknown = null;
  const text = await answer.text();
  if (text) {
    try {
      value = JSON.parse(text);
    } catch {
      if (answer.ok) throw new ApiError(answer.status, { what: '', code: 'not-json' });
    }
  }
  if (answer.ok) return value as T;
  if (answer.status === 401 && session.get() && !path.startsWith('login')) expired.set(true);
  throw new ApiError(answer.status, problemOf(answer.status, value));
}

export const api = {
  get: <T>(path: string, query?: Query, signal?: AbortSignal) => request<T>('GET', path, query, undefined, signal),
  post: <T>(path: string, body?: unknown) => request<T>('POST', path, undefined, body),
  put: <T>(path: string, body: unknown) => request<T>('PUT', path, undefined, body),
  patch: <T>(path: string, body: unknown) => request<T>('PATCH', path, undefined, body),
  delete: <T>(path: string) => request<T>('DELETE', path),
};

/** A part of a path that may hold any character. */
export const seg = encodeURIComponent;

function enter(s: Session): void {
  const off = s.time - Date.now();
  clockOffset.set(Math.abs(off) > 2000 ? off : 0);
  session.set(s);
  expired.set(false);
}

export async function logIn(user: string, password: string): Promise<void> {
  enter(await api.post<Session>('login', { user, password }));
}

export async function logInOnce(code: string): Promise<void> {
  enter(await api.post<Session>('login/once', { code }));
}

export async function logOut(): Promise<void> {
  try {
    await api.post('logout');
  } finally {
    expired.set(false);
    session.set(false);
  }
}

/** Asks who is logged in, at the start of the page. */
export async function resume(): Promise<void> {
  try {
    enter(await api.get<Session>('session'));
  } catch (e) {
    if (e instanceof ApiError && e.status === 401) session.set(false);
    else throw e;
  }
}
