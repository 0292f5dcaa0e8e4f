// SPDX-License-Identifier: Apache-2.0
//
// Labels of hosts as text: name=value, one a line.

const form = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}=[A-Za-z0-9._-]{0,63}$/;

/** `bad` is the first line that is no label, from 1; 0 when all are. */
export function labelsOf(text: string): { labels: Record<string, string>; bad: number } {
  const labels: Record<string, string> = {};
  let bad = 0;
  text.split(/\n|,/).forEach((raw, i) => {
    const line = raw.trim();
    if (!line) return;
    if (!form.test(line)) {
      bad ||= i + 1;
      return;
    }
    const at = line.indexOf('=');
    labels[line.slice(0, at)] = line.slice(at + 1);
  });
  return { labels, bad };
}

export function labelsText(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([k, v]) => `${k}=${v}`)
    .join('\n');
}
