// SPDX-License-Identifier: Apache-2.0
//
// The line of processes behind a record, oldest first: what OCSF says in actor.process, its
// parent_process and its ancestry, and for a record about a process that process as well.

import type { TreeProcess } from '../api/types.ts';
import type { OcsfProcess, OcsfRecord, TreeNode } from '../api/ocsf.ts';

function nodeOf(p: OcsfProcess, role: TreeNode['role']): TreeNode {
  const path = p.file?.path ?? p.path ?? '';
  return {
    id: p.uid ?? `pid:${p.pid ?? '?'}`,
    uid: p.uid ?? '',
    pid: p.pid ?? 0,
    name: p.name || path.slice(path.lastIndexOf('/') + 1),
    path,
    cmd_line: p.cmd_line ?? '',
    user: p.user?.name ?? p.user?.uid ?? '',
    started: p.created_time ?? null,
    role,
  };
}

function merge(into: TreeNode, from: TreeNode): TreeNode {
  return {
    ...into,
    name: into.name || from.name,
    path: into.path || from.path,
    cmd_line: into.cmd_line || from.cmd_line,
    user: into.user || from.user,
    started: into.started ?? from.started,
  };
}

/**
 * Never throws: records of newer agents, or broken ones, give fewer nodes. `known` is what the server could
 * put together, the oldest first; it has the ancestors that the record itself does not name.
 */
export function processTree(record: OcsfRecord | null, known: TreeProcess[] = []): TreeNode[] {
  const actor = record?.actor?.process;
  const nodes: TreeNode[] = known.map((p, i) => ({
    ...nodeOf({ pid: p.pid ?? undefined, uid: p.uid ?? undefined, name: p.name ?? '', path: p.path ?? '' }, 'ancestor'),
    cmd_line: p.cmd_line ?? '',
    user: p.user ?? '',
    role: i === known.length - 1 && !record ? 'actor' : 'ancestor',
  }));
  const add = (node: TreeNode) => {
    const at = nodes.findIndex((n) => n.id === node.id);
    if (at < 0) nodes.push(node);
    else nodes[at] = { ...merge(nodes[at] as TreeNode, node), role: node.role };
  };
  if (actor) {
    const ancestry = Array.isArray(actor.ancestry) ? actor.ancestry : [];
    for (const p of [...ancestry].reverse()) add(nodeOf(p, 'ancestor'));
    if (actor.parent_process) add(nodeOf(actor.parent_process, 'ancestor'));
    add(nodeOf(actor, 'actor'));
  }
  const target = record?.process;
  if (target) {
    const node = nodeOf(target, 'target');
    // An exec keeps the process and changes its program: both are worth a line.
    if (actor && node.id === (actor.uid ?? `pid:${actor.pid ?? '?'}`)) nodes.push({ ...node, id: `${node.id}+` });
    else add(node);
  }
  return nodes;
}
