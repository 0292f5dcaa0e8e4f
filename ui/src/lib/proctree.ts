// SPDX-License-Identifier: Apache-2.0
//
// A tree of processes from the list that the server gives: which are whose children, which branches are open, which rows
// are seen, and where keys lead. Records come from hosts: parents may be missing, or each other's.

import type { ProcessNode, ProcessState } from '../api/types.ts';

export interface Branch {
  node: ProcessNode;
  children: Branch[];
}

/** A row as it is seen. */
export interface TreeRow {
  node: ProcessNode;
  /** From 1. */
  level: number;
  /** Of its siblings, from 1. */
  at: number;
  of: number;
  /** null: nothing is beneath it. */
  open: boolean | null;
  /** How many processes are in a branch that is closed. */
  hidden: number;
}

/** Every node once; what is its own ancestor, by mistake or malice, begins a tree. */
export function branches(nodes: ProcessNode[]): Branch[] {
  const all = new Map<string, Branch>();
  for (const node of nodes) if (!all.has(node.uid)) all.set(node.uid, { node, children: [] });
  const roots: Branch[] = [];
  for (const b of all.values()) {
    const parent = b.node.parent === null ? undefined : all.get(b.node.parent);
    if (parent && !isAbove(all, b.node.uid, parent.node)) parent.children.push(b);
    else roots.push(b);
  }
  return roots;
}

function isAbove(all: Map<string, Branch>, uid: string, from: ProcessNode): boolean {
  let at: ProcessNode | undefined = from;
  for (let i = 0; at && i <= all.size; i++) {
    if (at.uid === uid) return true;
    at = at.parent === null ? undefined : all.get(at.parent)?.node;
  }
  return false;
}

function size(b: Branch): number {
  return b.children.reduce((n, c) => n + size(c), b.children.length);
}

/**
 * Which branches are open at first: all in a small tree; in a large one the way to `self` and what is right beneath
 * it, or without one the first levels.
 */
export function openAtFirst(roots: Branch[], self: string | null, many = 60): Set<string> {
  const open = new Set<string>();
  const total = roots.reduce((n, r) => n + 1 + size(r), 0);
  const visit = (b: Branch, level: number): boolean => {
    let way = b.node.uid === self;
    for (const c of b.children) if (visit(c, level + 1)) way = true;
    if (b.children.length && (total <= many || way || (self === null && level < 3))) open.add(b.node.uid);
    return way;
  };
  for (const r of roots) visit(r, 1);
  return open;
}

export function treeRows(roots: Branch[], isOpen: (uid: string) => boolean): TreeRow[] {
  const rows: TreeRow[] = [];
  const visit = (list: Branch[], level: number) => {
    list.forEach((b, i) => {
      const open = b.children.length ? isOpen(b.node.uid) : null;
      rows.push({ node: b.node, level, at: i + 1, of: list.length, open, hidden: open === false ? size(b) : 0 });
      if (open) visit(b.children, level + 1);
    });
  };
  visit(roots, 1);
  return rows;
}

export type Move = { to: number } | { toggle: string } | null;

/** What a key means in a tree, as in every tree: ARIA's pattern. */
export function treeKey(rows: TreeRow[], at: number, key: string): Move {
  const row = rows[at];
  if (!row) return null;
  switch (key) {
    case 'ArrowDown':
      return at + 1 < rows.length ? { to: at + 1 } : null;
    case 'ArrowUp':
      return at > 0 ? { to: at - 1 } : null;
    case 'Home':
      return { to: 0 };
    case 'End':
      return { to: rows.length - 1 };
    case 'ArrowRight':
      if (row.open === false) return { toggle: row.node.uid };
      return row.open ? { to: at + 1 } : null;
    case 'ArrowLeft': {
      if (row.open) return { toggle: row.node.uid };
      for (let i = at - 1; i >= 0; i--) if ((rows[i] as TreeRow).level < row.level) return { to: i };
      return null;
    }
    default:
      return null;
  }
}

/** Without siblings, and what is beneath them. */
export function withoutSiblings(nodes: ProcessNode[]): ProcessNode[] {
  return nodes.filter((n) => n.role !== 'sibling');
}

/** How long it ran, or has run; null: not known. */
export function ranFor(p: { started: number | null; ended: number | null; state: ProcessState }, now: number): number | null {
  if (p.started === null) return null;
  const until = p.ended ?? (p.state === 'running' ? now : null);
  return until === null || until < p.started ? null : until - p.started;
}

/** Where a process has its page; null: what the host calls its entity is none (boot, pid and start, in plain letters). */
export function processHref(host: string, uid: string | null | undefined): string | null {
  if (!uid || uid.length > 200 || !/^[\w-]+(:[\w-]+)*$/.test(uid)) return null;
  return `/hosts/${encodeURIComponent(host)}/processes/${encodeURIComponent(uid)}`;
}
