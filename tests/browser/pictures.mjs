// SPDX-License-Identifier: Apache-2.0
//
// Called by tests/browser/run: writes docs/images, pictures of the pages of a server with a real agent's records.
import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import { deed, onceLink } from './door.mjs';
import { launch, Walk } from './pages.mjs';

const { URL: url } = process.env;
const OUT = 'docs/images';
const BYTES_MAX = 200_000;
const SLOW = { timeout: 90_000 };
const ACCESSES = 'class=1001'; // the host tells of every process, too

const browser = await launch();
const walk = new Walk('pictures', browser, url, { expected: [401] });
const { test, go, quiet, accessible } = walk;
let page;

const ROLLED = `safeguard: 1
name: backups
mode: enforce
files:
  - {path: /srv/backups/**, access: write, do: deny}
`;

/** A policy of the server, in force on the host. */
async function rollOut() {
  await page.evaluate(async (text) => {
    const { csrf } = await (await fetch('/api/v1/session')).json();
    const post = async (path, body) => {
      const r = await fetch(`/api/v1/${path}`, { method: 'POST', headers: { 'X-CSRF-Token': csrf, 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
      if (!r.ok) throw new Error(`${path}: ${await r.text()}`);
    };
    await post('policies', { name: '30-backups.yaml', text, selector: '', comment: 'backups are only read' });
    await post('policies/30-backups.yaml/rollouts', { version: 1, stages: [{ share: 100, mode: 'policy' }] });
  }, ROLLED);
  await go('/policies?name=30-backups.yaml&tab=rollout', 'tbody tr .state:has-text("in force")');
}

/** Of what is on the page now, when nothing moves any more. */
async function shoot(name) {
  const path = `${OUT}/${name}.png`;
  await quiet();
  await page.evaluate(() => Promise.all(document.getAnimations().map((a) => a.finished.catch(() => undefined))));
  await accessible(name);
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
  const { size } = statSync(path);
  assert.ok(size < BYTES_MAX, `${path} has ${size} bytes`);
}

mkdirSync(OUT, { recursive: true });

await test('the host does what the pictures show', async () => {
  page = await walk.open({ viewport: { width: 1280, height: 800 }, timezoneId: 'UTC', colorScheme: 'light', reducedMotion: 'reduce' });
  await page.goto(await onceLink());
  await page.waitForSelector('.account-who');
  await rollOut();
  await go(`/records?live=1&${ACCESSES}`, '.live-note .pulse:not(.pulse-off)');
  for (const name of ['note', 'read', 'note', 'copy', 'note', 'read', 'keeper', 'note', 'copy', 'note']) await deed(name);
  const last = async (path, n) =>
    page.waitForFunction(([text, least]) => [...document.querySelectorAll('.rows-box .row')].filter((r) => r.textContent.includes(text)).length >= least, [path, n], SLOW);
  await last('today', 5);
  await last('secret', 4);
});

await test('overview', async () => {
  await go('/', '.tile-figure');
  await page.click('button:has-text("1 hour")');
  await shoot('overview');
});

await test('records, and one of them', async () => {
  await go(`/records?${ACCESSES}`, '.rows-box .row-denied');
  await page.click('.rows-box .row-denied:has-text("cp") .row-open');
  await page.waitForSelector('dialog .tree-actor');
  await shoot('records');
});

await test('what was executed on the host', async () => {
  await go('/hosts', 'tbody tr');
  const host = await page.locator('tbody a[href^="/hosts/"]').first().getAttribute('href');
  await go(`${host}/processes?login_user=alice`, 'tbody .exec-cmd:has-text("cp /srv/vault/secret")');
  await shoot('executed');
});

await test('a process, its tree', async () => {
  await page.click('tbody tr:has(.exec-cmd:has-text("cp /srv/vault/secret /tmp/copy")) .exec-name a >> nth=0');
  await page.waitForSelector('.ptree-self');
  await page.waitForSelector('.facts-wide');
  await shoot('process');
});

await test('an alert', async () => {
  await go('/alerts', 'tbody tr');
  await page.click('tbody a >> nth=0');
  await page.waitForSelector('dialog .tree-actor');
  await shoot('alert');
});

await test('a policy with a mistake', async () => {
  await go('/policies?new=1', '.ed-area');
  await page.fill('#new-policy input >> nth=0', '40-notes.yaml');
  await page.fill(
    '.ed-area',
    `safeguard: 1
name: notes
mode: enforce

subjects:
  editors: {exe: /usr/bin/vim.basic, user: alice}

files:
  - {path: /srv/notes/**, acess: write, not_by: editors, do: deny}
`,
  );
  await page.waitForSelector('.bad-error');
  await shoot('policy');
});

await test('the host', async () => {
  page.once('dialog', (d) => d.accept());
  await go('/hosts', 'tbody tr');
  await page.click('td.cell-name a, tbody a >> nth=0');
  await page.waitForSelector('.facts-wide');
  await shoot('host');
});

await test('what runs on it now', async () => {
  await page.click('.page-do a:has-text("Live tree")');
  await page.waitForSelector('.ptree-name:has-text("safeguard-agent")', SLOW);
  await page.click('button:has-text("Pause")');
  await shoot('live');
});

await test('how that is scheduled', async () => {
  await page.click('.page-do a:has-text("Scheduling")');
  await page.waitForSelector('.sched-window:has-text("over")', SLOW);
  await page.click('button:has-text("Pause")');
  await shoot('scheduling');
});

await test('the overview in Chinese, dark', async () => {
  await page.evaluate(() => (localStorage.setItem('lang', 'zh'), localStorage.setItem('theme', 'dark')));
  await go('/', '.tile-figure');
  await page.click('button:has-text("1 小时")');
  await shoot('overview-zh');
});

await browser.close();
process.exit(walk.end());
