// SPDX-License-Identifier: Apache-2.0
//
// Things done on the host whose pages are looked at: guest/door, by its address.
import assert from 'node:assert/strict';

/** `status`: what it must end with. */
export async function deed(name, status) {
  const answer = await fetch(`${process.env.DOOR}/${name}`, { method: 'POST' });
  const done = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(done));
  if (status !== undefined) assert.equal(done.status, status, `${name}: ${done.said}`);
  return done;
}

/** The link that logs in once. */
export async function onceLink() {
  return /https:\S+/.exec((await deed('link', 0)).said)[0];
}
