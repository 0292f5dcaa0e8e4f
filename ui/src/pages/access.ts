// SPDX-License-Identifier: Apache-2.0
//
// What a session may do: for showing and hiding only, the server decides.

import { session } from '../api/client.ts';
import type { Role } from '../api/types.ts';

export type Power = 'view' | 'operate' | 'administer' | 'audit';

const holders: Record<Power, Role[]> = {
  view: ['viewer', 'operator', 'auditor'],
  operate: ['operator'],
  administer: ['admin'],
  audit: ['auditor'],
};

export function may(power: Power): boolean {
  const s = session.get();
  return Boolean(s) && holders[power].some((r) => (s as { roles: Role[] }).roles.includes(r));
}
