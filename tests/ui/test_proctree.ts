// SPDX-License-Identifier: Apache-2.0
//
// Trees of processes: who is whose child whatever records say, what is open, where keys lead; and what the search box of
// executed programs means.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { ProcessNode } from '../../ui/src/api/types.ts';
import { host_processes_params } from '../../ui/src/api/types.ts';
import { EXEC_FIELDS, execsOf, execsQuery, execsRequest, isExecNarrowed, noExecFilters, parseExecSearch } from '../../ui/src/lib/execs.ts';
import { branches, openAtFirst, processHref, ranFor, treeKey, treeRows, withoutSiblings, type Branch } from '../../ui/src/lib/proctree.ts';
import { launchOf, processOf } from '../../ui/src/lib/shape.ts';

const node = (uid: string, parent: string | null, more: Partial<ProcessNode> = {}): ProcessNode => ({
  uid, parent, role: 'descendant', pid: 1, name: uid, program: null, cmd_line: null, user: null, started: null, ended: null,
  exit_code: null, state: 'running', denials: 0, ...more,
});

const text = (list: Branch[]): string => list.map((b) => b.node.uid + (b.children.length ? `(${text(b.children)})` : '')).join(' ');

const small = [node('1', null), node('a', '1'), node('b', '1'), node('c', 'b'), node('d', 'c')];

test('children stand beneath their parents, in the order of the list', () => {
  assert.equal(text(branches(small)), '1(a b(c(d)))');
  assert.equal(text(branches([...small].reverse())), '1(b(c(d)) a)');
});

test('whatever records say: each process once, and an end', () => {
  assert.equal(text(branches([node('a', 'b'), node('b', 'a'), node('c', 'b')])), 'a b(c)');
  assert.equal(text(branches([node('a', 'a')])), 'a');
  assert.equal(text(branches([node('a', 'nobody'), node('a', null)])), 'a');
  assert.equal(text(branches([node('a', 'c'), node('b', 'a'), node('c', 'b')])), 'a b c');
  assert.equal(text(branches([node('__proto__', null), node('x', '__proto__')])), '__proto__(x)');
});

test('a small tree is open, a large one on the way to the process and right beneath it', () => {
  const roots = branches(small);
  assert.deepEqual([...openAtFirst(roots, 'b')].sort(), ['1', 'b', 'c']);
  assert.deepEqual([...openAtFirst(roots, 'b', 2)].sort(), ['1', 'b']);
  assert.deepEqual([...openAtFirst(roots, null, 2)].sort(), ['1', 'b']);
});

test('rows tell their level, their place and what they hide', () => {
  const open = new Set(['1']);
  const rows = treeRows(branches(small), (uid) => open.has(uid));
  assert.deepEqual(rows.map((r) => `${r.node.uid} ${r.level} ${r.at}/${r.of} ${r.open} ${r.hidden}`), ['1 1 1/1 true 0', 'a 2 1/2 null 0', 'b 2 2/2 false 2']);
});

test('keys lead as in every tree', () => {
  const rows = treeRows(branches(small), (uid) => uid !== 'c');
  assert.deepEqual(rows.map((r) => r.node.uid), ['1', 'a', 'b', 'c']);
  assert.deepEqual(treeKey(rows, 0, 'ArrowDown'), { to: 1 });
  assert.equal(treeKey(rows, 0, 'ArrowUp'), null);
  assert.equal(treeKey(rows, 3, 'ArrowDown'), null);
  assert.deepEqual(treeKey(rows, 3, 'Home'), { to: 0 });
  assert.deepEqual(treeKey(rows, 0, 'End'), { to: 3 });
  assert.deepEqual(treeKey(rows, 3, 'ArrowRight'), { toggle: 'c' });
  assert.deepEqual(treeKey(rows, 2, 'ArrowRight'), { to: 3 });
  assert.equal(treeKey(rows, 1, 'ArrowRight'), null);
  assert.deepEqual(treeKey(rows, 2, 'ArrowLeft'), { toggle: 'b' });
  assert.deepEqual(treeKey(rows, 3, 'ArrowLeft'), { to: 2 });
  assert.deepEqual(treeKey(rows, 1, 'ArrowLeft'), { to: 0 });
  assert.equal(treeKey(rows, 0, 'x'), null);
  assert.equal(treeKey([], 0, 'End'), null);
});

test('siblings can be left out', () => {
  assert.deepEqual(withoutSiblings([node('a', null), node('b', null, { role: 'sibling' })]).map((n) => n.uid), ['a']);
});

test('how long it ran, as far as that is known', () => {
  assert.equal(ranFor({ started: 100, ended: 400, state: 'ended' }, 1000), 300);
  assert.equal(ranFor({ started: 100, ended: null, state: 'running' }, 1000), 900);
  assert.equal(ranFor({ started: 100, ended: null, state: 'gone' }, 1000), null);
  assert.equal(ranFor({ started: 100, ended: null, state: 'unknown' }, 1000), null);
  assert.equal(ranFor({ started: null, ended: 400, state: 'ended' }, 1000), null);
  assert.equal(ranFor({ started: 500, ended: 400, state: 'ended' }, 1000), null);
});

test('an entity is one part of the address, whatever it is', () => {
  assert.equal(processHref('h', 'b:1:2'), '/hosts/h/processes/b%3A1%3A2');
  assert.equal(processHref('a/b', '1f-2:7:9'), '/hosts/a%2Fb/processes/1f-2%3A7%3A9');
  for (const none of ['', null, undefined, '../x', 'b:7:1\n', 'b::1', 'a b', 'x/y', 'b:7:1.js', '\u202eb', `b:${'7'.repeat(200)}`]) assert.equal(processHref('h', none), null, String(none));
});

test('executed programs: what is in the URL comes back the same, and the server knows every field', () => {
  let f = { ...noExecFilters(), from: '-7d', denied: true, q: 'two words' };
  for (const field of EXEC_FIELDS) f = { ...f, only: { ...f.only, [field]: `v,&=# ${field}` } };
  assert.deepEqual(execsOf(execsQuery(f)), f);
  for (const name of execsRequest(f).keys()) assert.ok(name in host_processes_params, name);
  assert.equal(execsRequest(f).get('denied'), 'true');
  assert.equal(execsRequest(noExecFilters()).get('from'), '-24h');
  assert.equal(execsOf(new URLSearchParams('from=nonsense&to=x')).from, '-24h');
  assert.ok(isExecNarrowed(f) && !isExecNarrowed(noExecFilters()));
});

test('executed programs: fields and words of the search box', () => {
  const f = parseExecSearch('user:root curl "-x proxy" program:"/opt/a b" other:thing', noExecFilters());
  assert.deepEqual(f.only, { user: 'root', program: '/opt/a b' });
  assert.equal(f.q, 'curl "-x proxy" other:thing');
  assert.deepEqual(noExecFilters().only, {});
});

test('a detail takes what has the type of its place, and nothing else', () => {
  const p = processOf({
    pid: '7', cmd_line: 5, working_directory: ['x'], environment_variables: [{ name: 'A', value: 'b' }, 'x', { name: 3 }, null], session: 'x',
    file: { path: {}, hashes: [{ algorithm_id: 3, value: 'ab' }, 7], product: { name: 1, version: '2' } },
  });
  assert.deepEqual(p, { environment_variables: [{ name: 'A', value: 'b' }, {}], file: { hashes: [{ algorithm_id: 3, value: 'ab' }], product: { version: '2' } } });
  const u = launchOf({ script: 1, arguments: ['a', 1, null, 'b'], descriptors: [{ fd: 0, kind: {}, local_endpoint: { ip: '::1', port: 'x' } }], namespaces: { net: 4, x: 'y', __proto__: 1 } });
  assert.deepEqual(u, { arguments: ['a', 'b'], descriptors: [{ fd: 0, local_endpoint: { ip: '::1' } }], namespaces: { net: 4 } });
  assert.deepEqual([processOf(null), processOf([]), launchOf('x'), launchOf(undefined)], [{}, {}, {}, {}]);
});

test('the record of an exec, as the agent writes it, has its program', () => {
  const exec = JSON.parse(readFileSync('tests/golden/ocsf/exec.json', 'utf8')) as { process: unknown };
  assert.equal(processOf(exec.process).file?.path, '/usr/bin/id');
});
