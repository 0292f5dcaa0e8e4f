// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { ApiError, api, apiUrl, clockOffset, expired, logIn, logOut, offline, resume, seg, session } from '../../ui/src/api/client.ts';

interface Asked {
  url: string;
  init: RequestInit & { headers: Record<string, string> };
}
let asked: Asked[] = [];

/** The next answers, in order; an Error is a network that fails. */
function answer(...answers: (Response | Error)[]): void {
  asked = [];
  globalThis.fetch = (async (url: string, init: Asked['init']) => {
    asked.push({ url, init });
    const next = answers.shift();
    if (!next || next instanceof Error) throw next ?? new Error('no answer left');
    return next;
  }) as typeof fetch;
}

function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers });
}

const someone = { user: 'ann', roles: ['viewer'], csrf: 'word', time: Date.now() };

afterEach(() => {
  session.set(null);
  expired.set(false);
  offline.set(false);
  clockOffset.set(0);
});

async function problem(promise: Promise<unknown>): Promise<ApiError> {
  try {
    await promise;
  } catch (e) {
    assert.ok(e instanceof ApiError);
    return e;
  }
  throw new assert.AssertionError({ message: 'it worked' });
}

test('the CSRF word goes with changes, and only with them', async () => {
  answer(json(someone), json({}), json({}));
  await logIn('ann', 'secret');
  await api.get('hosts');
  await api.post('hosts/1/revoke');
  assert.equal(asked[0]?.init.headers['X-CSRF-Token'], undefined);
  assert.equal(asked[1]?.init.headers['X-CSRF-Token'], undefined);
  assert.equal(asked[2]?.init.headers['X-CSRF-Token'], 'word');
  // A change without anything to say has no body: the server refuses one.
  assert.equal(asked[2]?.init.body, null);
  assert.equal(asked[2]?.init.headers['Content-Type'], undefined);
});

test('an error comes in the words of the server', async () => {
  answer(json({ error: { code: 'stale', what: 'there is a newer one', cure: 'load it' } }, 409));
  const e = await problem(api.put('policies/x', {}));
  assert.deepEqual([e.status, e.problem.code, e.problem.what, e.problem.cure], [409, 'stale', 'there is a newer one', 'load it']);
});

test('an error without words is one all the same', async () => {
  for (const body of ['', '<html>', '{"error":7}', '{}']) {
    answer(new Response(body, { status: 502 }));
    assert.equal((await problem(api.get('x'))).problem.code, 'http-502');
  }
});

test('an answer that is no JSON is an error', async () => {
  answer(new Response('<html>', { status: 200 }));
  assert.equal((await problem(api.get('x'))).problem.code, 'not-json');
});

test('a server that does not answer is said, and forgotten when it does', async () => {
  answer(new TypeError('failed'), json({}));
  assert.equal((await problem(api.get('x'))).status, 0);
  assert.equal(offline.get(), true);
  await api.get('x');
  assert.equal(offline.get(), false);
});

test('a session that ends while somebody works asks for a log-in, and nothing else does', async () => {
  answer(json(someone), json({ error: { code: 'unauthorized', what: 'no' } }, 401), json(someone));
  await logIn('ann', 'secret');
  await problem(api.get('hosts'));
  assert.equal(expired.get(), true);
  await logIn('ann', 'secret');
  assert.equal(expired.get(), false);

  session.set(null);
  answer(json({ error: { code: 'login', what: 'wrong' } }, 401));
  await problem(logIn('ann', 'wrong'));
  assert.equal(expired.get(), false);
});

test('who was not logged in is nobody; a broken server is an error', async () => {
  answer(json({}, 401));
  await resume();
  assert.equal(session.get(), false);
  answer(json({}, 503));
  assert.equal((await problem(resume())).status, 503);
});

test('logging out ends it here even when the server does not hear it', async () => {
  session.set(someone as never);
  answer(new TypeError('failed'));
  await problem(logOut());
  assert.equal(session.get(), false);
});

test('clocks that differ are noticed, whole seconds are not', async () => {
  const date = (ms: number) => new Date(Date.now() + ms).toUTCString();
  answer(json({}, 200, { date: date(0) }), json({}, 200, { date: date(-3_600_000) }), json({}, 200, { date: 'soon' }));
  await api.get('x');
  assert.equal(clockOffset.get(), 0);
  await api.get('x');
  assert.ok(Math.abs(clockOffset.get() + 3_600_000) < 3000);
  const before = clockOffset.get();
  await api.get('x');
  assert.equal(clockOffset.get(), before);
});

test('addresses: nothing from outside leaves its place', () => {
  assert.equal(apiUrl('hosts', { q: 'a&b=c', state: '', label: null, n: 0 }), '/api/v1/hosts?q=a%26b%3Dc&n=0');
  assert.equal(`policies/${seg('../../x?y#z')}`, 'policies/..%2F..%2Fx%3Fy%23z');
});
