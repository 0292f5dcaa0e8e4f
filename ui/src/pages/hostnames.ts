// SPDX-License-Identifier: Apache-2.0
//
// Filters hold the ids of hosts, people their names. Names are learned from every list that has both; a name that
// is typed is asked for.

import { api } from '../api/client.ts';
import type { Host } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import type { Filters } from '../lib/filters.ts';
import { store } from '../lib/store.ts';

export const hostNames = store<ReadonlyMap<string, string>>(new Map());

export function learnHosts(rows: { host: string; host_name: string }[]): void {
  const known = hostNames.get();
  const fresh = rows.filter((r) => known.get(r.host) !== r.host_name);
  if (fresh.length) hostNames.set(new Map([...known, ...fresh.map((r) => [r.host, r.host_name] as const)]));
}

const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The ids of all hosts of that name: it need not be the only one. */
async function idsOf(name: string): Promise<string[]> {
  if (idForm.test(name)) return [name];
  const { items } = await api.get<Page<Host>>('hosts', { q: name, limit: 1000 });
  learnHosts(items.map((h) => ({ host: h.id, host_name: h.name })));
  return items.filter((h) => h.name === name).map((h) => h.id);
}

/** Ids in the place of names; `missing` is the first name that no host has. */
export async function withHostIds(f: Filters): Promise<{ filters: Filters; missing: string | null }> {
  let missing: string | null = null;
  const resolve = async (list: string[] | undefined) => {
    if (!list) return undefined;
    const out: string[] = [];
    for (const value of list) {
      const ids = await idsOf(value);
      if (!ids.length) missing ??= value;
      out.push(...ids);
    }
    return [...new Set(out)];
  };
  const part = async (p: Filters['only']) => {
    const host = await resolve(p.host);
    const { host: _, ...rest } = p;
    return host?.length ? { ...rest, host } : rest;
  };
  return { filters: { ...f, only: await part(f.only), not: await part(f.not) }, missing };
}

/** For a filter that came by a link, before any list did. */
export async function learnHost(id: string): Promise<void> {
  if (!idForm.test(id) || hostNames.get().has(id)) return;
  const { host } = await api.get<{ host: Host }>(`hosts/${id}`);
  learnHosts([{ host: host.id, host_name: host.name }]);
}
