// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event as EventRow } from '../../ui/src/api/types.ts';
import { events_params, events_stream_params } from '../../ui/src/api/types.ts';
import {
  canExclude, chips, empty, FIELDS, fromQuery, isExcluded, isNarrowed, parseSearch, toQuery, toRequest, withValue, without,
} from '../../ui/src/lib/filters.ts';

const row: EventRow = {
  id: '1', host: 'h', host_name: 'web1', time: 1, received: 2, class: 1001, activity: 14, severity: 3,
  outcome: 'denied', count: 1, rule: 'shadow', policy: 'web', user: 'root', program: '/usr/bin/cat',
  path: '/etc/shadow', message: '',
};

test('what is in the URL comes back the same', () => {
  let f = empty();
  f = withValue(f, 'only', 'outcome', 'denied');
  f = withValue(f, 'only', 'outcome', 'would-deny');
  f = withValue(f, 'only', 'path', '/etc/a b&c=d#e\u202e*');
  f = withValue(f, 'not', 'program', '/usr/bin/x,y');
  f.q = 'two words';
  f.from = '-7d';
  f.to = '2026-01-31T10:00:00.000Z';
  const text = toQuery(f).toString();
  assert.deepEqual(fromQuery(new URLSearchParams(text)), f);
  assert.equal(toQuery(fromQuery(new URLSearchParams(text))).toString(), text);
});

test('every field survives, alone', () => {
  for (const field of FIELDS)
    for (const kind of ['only', 'not'] as const) {
      if (kind === 'not' && !canExclude(field)) continue;
      const f = withValue(empty(), kind, field, 'x');
      assert.deepEqual(fromQuery(toQuery(f)), f, `${kind} ${field}`);
    }
});

test('processes are asked for, and cannot be left out', () => {
  const f = parseSearch('process:b:7:1 -process:b:8:1', empty());
  assert.deepEqual(f.only.process, ['b:7:1']);
  assert.deepEqual([f.not, f.q], [{}, '-process:b:8:1']);
  assert.deepEqual(fromQuery(new URLSearchParams('not_process=x')), empty());
  assert.equal(toRequest(withValue(f, 'only', 'process', 'b:9:1'), events_params).get('process'), 'b:7:1,b:9:1');
  assert.equal(events_stream_params.process, 'list');
});

test('nothing asked for is an empty URL', () => {
  assert.equal(toQuery(empty()).toString(), '');
  assert.equal(isNarrowed(empty()), false);
});

test('a range that is none becomes the usual one', () => {
  const f = fromQuery(new URLSearchParams('from=yesterday&to=%00&rule='));
  assert.equal(f.from, '-24h');
  assert.equal(f.to, '');
  assert.deepEqual(f.only, {});
});

test('parameters of others are left alone', () => {
  assert.deepEqual(fromQuery(new URLSearchParams('record=5&live=1')), empty());
});

test('only and not exclude each other', () => {
  let f = withValue(empty(), 'only', 'rule', 'a');
  f = withValue(f, 'not', 'rule', 'a');
  assert.deepEqual(chips(f), [{ kind: 'not', field: 'rule', value: 'a' }]);
  f = without(f, 'not', 'rule', 'a');
  assert.deepEqual(f, empty());
});

test('a field that can have one value has the last one', () => {
  let f = withValue(empty(), 'only', 'rule', 'a');
  f = withValue(f, 'only', 'rule', 'b');
  assert.deepEqual(f.only.rule, ['b']);
  f = withValue(withValue(f, 'only', 'host', 'x'), 'only', 'host', 'y');
  assert.deepEqual(f.only.host, ['x', 'y']);
});

test('the server is asked only what it knows', () => {
  let f = withValue(empty(), 'only', 'outcome', 'denied');
  f = withValue(f, 'only', 'outcome', 'audited');
  f = withValue(f, 'not', 'rule', 'a');
  const q = toRequest(f, { from: 'one', outcome: 'list' });
  assert.equal(q.get('outcome'), 'denied,audited');
  assert.equal(q.get('from'), '-24h');
  assert.equal(q.has('not_rule'), false);
  assert.equal(toRequest(f, { not_rule: 'one' }).get('not_rule'), 'a');
  const lists = fromQuery(new URLSearchParams('not_rule=a&not_rule=b&not_rule=c,d'));
  assert.equal(toRequest(lists, { not_rule: 'list' }).get('not_rule'), 'a,b');
  for (const name of toRequest(f, events_params).keys()) assert.ok(name in events_params);
  assert.equal(toRequest(f, events_stream_params).has('from'), false);
});

test('a value with a comma cannot be in a list', () => {
  const f = withValue(empty(), 'only', 'host', 'a,b');
  assert.equal(toRequest(f, { host: 'list' }).has('host'), false);
});

test('chips that exclude speak of rows', () => {
  assert.equal(isExcluded(withValue(empty(), 'not', 'rule', 'shadow'), row), true);
  assert.equal(isExcluded(withValue(empty(), 'not', 'rule', 'shad'), row), false);
  assert.equal(isExcluded(withValue(empty(), 'not', 'path', '/etc/*'), row), true);
  assert.equal(isExcluded(withValue(empty(), 'not', 'path', '/etc/'), row), false);
  assert.equal(isExcluded(withValue(empty(), 'not', 'class', '1001'), row), true);
  assert.equal(isExcluded(withValue(empty(), 'not', 'user', 'root'), { ...row, user: null }), false);
});

test('the search box makes chips', () => {
  const f = parseSearch('shadow program:/usr/bin/cat -user:root path:"/srv/a b" "two words" -x', empty());
  assert.deepEqual(f.only, { program: ['/usr/bin/cat'], path: ['/srv/a b'] });
  assert.deepEqual(f.not, { user: ['root'] });
  assert.equal(f.q, 'shadow "two words" -x');
});

test('words with a colon that are no field stay words', () => {
  const f = parseSearch('https://x constructor:y :z a:', empty());
  assert.deepEqual(f.only, {});
  assert.equal(f.q, 'https://x constructor:y :z a:');
});
