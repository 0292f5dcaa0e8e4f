// SPDX-License-Identifier: Apache-2.0
//
// Text on its way into the editor of a policy: an exception from an alert, or an older version.

interface Draft {
  name: string;
  text: string;
  comment: string;
}

let waiting: Draft | null = null;

/** `text` is the whole text of the policy as it would be. */
export function takeToEditor(name: string, text: string, comment: string): void {
  waiting = { name, text, comment };
}

/** What waits for this policy, once. */
export function takeDraft(name: string): Draft | null {
  if (waiting?.name !== name) return null;
  const draft = waiting;
  waiting = null;
  return draft;
}
