// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveEdge, LiveFlow } from '../../ui/src/api/types.ts';
import { edgeIs, endText, findFlows, flowKey, isBadEnd, lineWidth, mapOf, peerOf, protocolName, rates, serviceText, tabOf } from '../../ui/src/lib/network.ts';

function flow(over: Partial<LiveFlow>): LiveFlow {
  return {
    type: 'connect', ended: null, process: 'b:7:1', pid: 7, program: '/usr/bin/curl', user: 'ann', container: null, protocol: 6,
    incoming: false, local: '10.0.0.7', local_port: 40000, remote: '10.0.0.9', remote_port: 443, name: null, peer_program: null,
    begin: 1000, end: null, bytes_out: 100, bytes_in: 900, rtt_us: null, retransmits: 0, error: null, ...over,
  };
}

function edge(over: Partial<LiveEdge>): LiveEdge {
  return {
    program: '/usr/bin/curl', peer_program: null, name: null, peer: '10.0.0.9', port: 443, protocol: 6, incoming: false, flows: 1,
    failed: 0, bytes_out: 10, bytes_in: 90, last: 1, ...over,
  };
}

test('words for numbers', () => {
  assert.equal(tabOf('dns'), 'dns');
  assert.equal(tabOf('x'), 'flows');
  assert.equal(tabOf(null), 'flows');
  assert.equal(protocolName(17), 'udp');
  assert.equal(protocolName(4), '4');
  assert.equal(protocolName(0), '');
  assert.equal(endText('2001:db8::1', 443), '[2001:db8::1]:443');
  assert.equal(endText('2001:db8::1', 0), '2001:db8::1');
  assert.equal(endText('10.0.0.1', 22), '10.0.0.1:22');
  assert.equal(endText(null, 22), '');
  assert.ok(isBadEnd('refused') && !isBadEnd('fin_by_us') && !isBadEnd(null));
  const drop = { reason: null, place: null, protocol: 6, service: 23, packets: 1, bytes: 1, last: null, source: null, destination: null };
  assert.equal(serviceText(drop), '23');
  assert.equal(serviceText({ ...drop, service: 1024 }), '1024–32767');
  assert.equal(serviceText({ ...drop, service: 0 }), '');
});

test('rates are of the time between two answers, or of a life', () => {
  const before = flow({});
  const now = flow({ bytes_in: 4900 });
  assert.equal(rates([now], [before], 2000).get(flowKey(now)), 2000);
  // Without an answer before, without numbers, and where a number falls, there is none.
  assert.equal(rates([now], [], 2000).size, 0);
  assert.equal(rates([flow({ bytes_in: null })], [before], 2000).size, 0);
  assert.equal(rates([before], [now], 2000).size, 0);
  assert.equal(rates([now], [before], 0).size, 0);
  const ended = flow({ ended: 'fin_by_us', end: 3000 });
  assert.equal(rates([ended], [], 0).get(flowKey(ended)), 500);
  assert.equal(rates([flow({ ended: 'refused', end: 1000 })], [], 0).size, 0);
  // Another connection of the same ends is another one.
  assert.equal(rates([flow({ begin: 5000 })], [before], 2000).size, 0);
});

test('connections are searched by each of their words', () => {
  const rows = [flow({}), flow({ program: '/usr/sbin/nginx', name: 'www.example', local_port: 80 })];
  assert.equal(findFlows(rows, '').length, 2);
  assert.equal(findFlows(rows, 'NGINX www').length, 1);
  assert.equal(findFlows(rows, 'nginx curl').length, 0);
  assert.equal(findFlows(rows, '10.0.0.9:443').length, 2);
});

test('the map has a line for two that talk, whatever their ports', () => {
  const edges = [
    edge({}), edge({ port: 80, flows: 3, failed: 1 }), edge({ name: 'www.example' }),
    edge({ program: '/usr/bin/psql', peer_program: '/usr/bin/postgres', bytes_in: 5000 }),
  ];
  const map = mapOf(edges, 24);
  assert.deepEqual(map.left.map((n) => n.text), ['/usr/bin/psql', '/usr/bin/curl']);
  assert.deepEqual(map.right.map((n) => [n.kind, n.text]), [['program', '/usr/bin/postgres'], ['address', '10.0.0.9'], ['name', 'www.example']]);
  const line = map.lines.find((l) => l.to === 'address 10.0.0.9');
  assert.deepEqual([line?.flows, line?.failed, line?.bytes, line?.ports], [4, 1, 200, [443, 80]]);
  assert.equal(map.hidden, 0);
  assert.equal(peerOf(edge({ peer: null })).text, '?');
  assert.ok(edgeIs(edges[0] as LiveEdge, 'right address 10.0.0.9') && edgeIs(edges[0] as LiveEdge, 'left /usr/bin/curl') && edgeIs(edges[0] as LiveEdge, ''));
  assert.ok(!edgeIs(edges[2] as LiveEdge, 'right address 10.0.0.9'));
});

test('a map shows those with most bytes, and says how many it does not', () => {
  const edges = Array.from({ length: 40 }, (_, i) => edge({ peer: `10.0.1.${i}`, bytes_in: i }));
  const map = mapOf(edges, 24);
  assert.equal(map.right.length, 24);
  assert.equal(map.right[0]?.text, '10.0.1.39');
  assert.equal(map.hidden, 16);
  assert.ok(lineWidth(0) >= 1 && lineWidth(1e18) <= 7);
});
