// SPDX-License-Identifier: Apache-2.0
//
// What a host says of its network, as pages show it: words for numbers, rates between two answers, and the map's two columns.

import type { LiveDrop, LiveEdge, LiveFlow } from '../api/types.ts';

export const TABS = ['flows', 'map', 'dns', 'drops'] as const;
export type Tab = (typeof TABS)[number];

export function tabOf(text: string | null): Tab {
  return TABS.find((tab) => tab === text) ?? 'flows';
}

const protocols: Record<number, string> = { 1: 'icmp', 2: 'igmp', 6: 'tcp', 17: 'udp', 47: 'gre', 50: 'esp', 58: 'icmp6', 132: 'sctp', 136: 'udplite', 255: 'raw' };

export function protocolName(n: number): string {
  return protocols[n] ?? (n ? String(n) : '');
}

/** "10.0.0.1:443", "[::1]:443"; without a port the address alone. */
export function endText(address: string | null, port: number): string {
  if (!address) return '';
  if (!port) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function baseName(path: string | null): string {
  return path?.split('/').pop() || (path ?? '');
}

const bad = new Set(['timed_out', 'refused', 'unreachable', 'failed', 'aborted', 'reset_received']);

export function isBadEnd(reason: string | null): boolean {
  return reason !== null && bad.has(reason);
}

export function flowKey(f: LiveFlow): string {
  return [f.process, f.protocol, f.local, f.local_port, f.remote, f.remote_port, f.begin, f.ended].join(' ');
}

function total(f: LiveFlow): number | null {
  return f.bytes_in === null || f.bytes_out === null ? null : f.bytes_in + f.bytes_out;
}

/** Bytes a second by flow: of what goes on since the answer before, of what has ended over its life. */
export function rates(now: readonly LiveFlow[], before: readonly LiveFlow[], ms: number): Map<string, number> {
  const earlier = new Map(before.map((f) => [flowKey(f), total(f)]));
  const out = new Map<string, number>();
  for (const f of now) {
    const bytes = total(f);
    const was = earlier.get(flowKey(f));
    if (bytes === null) continue;
    if (f.ended !== null) {
      if (f.begin !== null && f.end !== null && f.end > f.begin) out.set(flowKey(f), (bytes * 1000) / (f.end - f.begin));
    } else if (was !== undefined && was !== null && ms > 0 && bytes >= was) out.set(flowKey(f), ((bytes - was) * 1000) / ms);
  }
  return out;
}

/** Every word has to be in one of these. */
function holds(find: string, texts: readonly (string | number | null)[]): boolean {
  const all = texts.filter((v) => v !== null).join('\n').toLowerCase();
  return find
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

export function findFlows(rows: readonly LiveFlow[], find: string): LiveFlow[] {
  return rows.filter((f) =>
    holds(find, [f.program, f.pid, f.user, f.container, f.name, f.peer_program, endText(f.local, f.local_port), endText(f.remote, f.remote_port), protocolName(f.protocol), f.ended]),
  );
}

export function serviceText(d: LiveDrop): string {
  if (!d.service) return '';
  if (d.service === 1024) return '1024–32767';
  return d.service === 32768 ? '32768–65535' : String(d.service);
}

// The map ---------------------------------------------------------------------------------------------

/** What stands in the right column: a program of this host, a name, or an address. */
export function peerOf(e: LiveEdge): { kind: 'program' | 'name' | 'address'; text: string } {
  if (e.peer_program) return { kind: 'program', text: e.peer_program };
  if (e.name) return { kind: 'name', text: e.name };
  return { kind: 'address', text: e.peer ?? '?' };
}

export interface MapNode {
  id: string;
  text: string;
  kind: 'program' | 'name' | 'address';
  bytes: number;
}

export interface MapLine {
  from: string;
  to: string;
  flows: number;
  failed: number;
  bytes: number;
  ports: number[];
}

export interface NetMap {
  left: MapNode[];
  right: MapNode[];
  lines: MapLine[];
  hidden: number;
}

function most(nodes: Iterable<MapNode>, max: number): MapNode[] {
  return [...nodes].sort((a, b) => b.bytes - a.bytes || a.text.localeCompare(b.text)).slice(0, max);
}

/** Edges between the same two are one line; of each column those with most bytes are shown. */
export function mapOf(edges: readonly LiveEdge[], max: number): NetMap {
  const left = new Map<string, MapNode>();
  const right = new Map<string, MapNode>();
  const lines = new Map<string, MapLine>();
  const add = (nodes: Map<string, MapNode>, id: string, kind: MapNode['kind'], text: string, bytes: number) => {
    const node = nodes.get(id) ?? { id, text, kind, bytes: 0 };
    node.bytes += bytes;
    nodes.set(id, node);
  };
  for (const e of edges) {
    const peer = peerOf(e);
    const from = e.program ?? '?';
    const to = `${peer.kind} ${peer.text}`;
    const bytes = e.bytes_in + e.bytes_out;
    const key = `${from}\n${to}`;
    const line = lines.get(key) ?? { from, to, flows: 0, failed: 0, bytes: 0, ports: [] };
    add(left, from, 'program', from, bytes);
    add(right, to, peer.kind, peer.text, bytes);
    line.flows += e.flows;
    line.failed += e.failed;
    line.bytes += bytes;
    if (e.port && !line.ports.includes(e.port)) line.ports.push(e.port);
    lines.set(key, line);
  }
  const shown = { left: most(left.values(), max), right: most(right.values(), max) };
  const ids = { left: new Set(shown.left.map((n) => n.id)), right: new Set(shown.right.map((n) => n.id)) };
  const kept = [...lines.values()].filter((l) => ids.left.has(l.from) && ids.right.has(l.to));
  return { ...shown, lines: kept, hidden: lines.size - kept.length };
}

/** From thin to thick by orders of magnitude: a backup must not make all else invisible. */
export function lineWidth(bytes: number): number {
  return Math.min(1 + Math.log10(1 + bytes) / 1.6, 7);
}

export function edgeIs(e: LiveEdge, node: string): boolean {
  const peer = peerOf(e);
  return node === '' || node === `left ${e.program ?? '?'}` || node === `right ${peer.kind} ${peer.text}`;
}
