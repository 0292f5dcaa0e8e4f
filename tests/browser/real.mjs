// SPDX-License-Identifier: Apache-2.0
//
// Called by tests/browser/run: what people do with a server whose agent refuses accesses. Things are done on that
// host while a page is looked at.
import assert from 'node:assert/strict';
import { deed, onceLink } from './door.mjs';
import { launch, Walk } from './pages.mjs';

const { URL: url } = process.env;
// Before the host's own 50-vault.yaml: the first rule that matches decides.
const POLICY = '40-notes.yaml';

// Emulated, a VM takes seconds for what takes a host some milliseconds.
const SLOW = { timeout: 90_000 };

const notes = (mistake) => `safeguard: 1
name: notes
mode: enforce
files:
  - {path: /srv/notes/**, ${mistake ? 'acess' : 'access'}: write, do: deny}
`;

const browser = await launch();
// 401: nobody is logged in yet.
const walk = new Walk('real', browser, url, { expected: [401] });
const { test, has, go, quiet, accessible } = walk;

/** A new row of the list with this file and outcome; its row. */
const row = (outcome, path) => `.rows-box .row-${outcome}:has-text("${path}")`;
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/** How long a deed takes to get to the page that is looked at. */
async function arrives(name, status, outcome, path) {
  const { page } = walk;
  const before = await page.locator(row(outcome, path)).count();
  const start = performance.now();
  const done = await deed(name, status);
  const acted = performance.now();
  await page.waitForFunction(([selector, text, n]) => [...document.querySelectorAll(selector)].filter((r) => r.textContent.includes(text)).length > n, [`.rows-box .row-${outcome}`, path, before], SLOW);
  console.log(`   ${name}: done in ${seconds(acted - start)}, on the page ${seconds(performance.now() - acted)} later`);
  return done;
}

let page;
let written = 0;

await test('the link of safeguard up logs in, and the overview shows the host', async () => {
  page = await walk.open();
  await page.goto(await onceLink());
  await page.waitForSelector('.account-who:has-text("owner")');
  assert.ok(!page.url().includes('once='), 'the code stays in the address');
  await page.waitForFunction(() => document.querySelector('.tile-figure')?.textContent === '1', undefined, SLOW);
  await quiet();
  await accessible('/');
});

await test('a denial arrives while the records are looked at', async () => {
  await go('/records?live=1', '.live-note .pulse:not(.pulse-off)');
  const { said } = await arrives('read', 1, 'denied', 'secret');
  assert.match(said, /Operation not permitted|Permission denied/);
  await accessible('/records?live=1');
});

await test('its record: who with the processes, which rule, the record itself', async () => {
  await page.click(`${row('denied', 'secret')} .row-open`);
  const drawer = page.locator('dialog[open]');
  await page.waitForSelector('dialog .tree-actor');
  const text = await drawer.textContent();
  for (const part of ['/usr/bin/cat', 'alice', '/srv/vault/secret', '50-vault.yaml', 'web-01']) assert.ok(text.includes(part), `${part} is not in: ${text}`);
  const tree = await page.textContent('dialog .tree');
  for (const part of ['cat', 'bash', 'python3']) assert.ok(tree.includes(part), `${part} is not in the tree: ${tree}`);
  await page.click('dialog summary');
  await page.waitForSelector('dialog .json-key');
  const raw = await page.textContent('dialog .json');
  for (const part of ['class_uid', 'unmapped', 'rule_file']) assert.ok(raw.includes(part), `${part} is not in: ${raw}`);
  await accessible('a record');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
});

await test('the one that may is not refused', async () => {
  assert.equal((await deed('keeper', 0)).said, 'the secret\n');
});

await test('the denial is an alert, which is acknowledged', async () => {
  await go('/alerts', 'tbody tr');
  await accessible('/alerts');
  await page.click('tbody a >> nth=0');
  await page.waitForSelector('dialog .tree-actor');
  assert.ok((await page.textContent('dialog')).includes('/srv/vault/secret'));
  await page.click('dialog button:has-text("Acknowledge")');
  await page.waitForSelector('dialog .state:has-text("acknowledged")');
  await accessible('an alert');
});

await test('what is only recorded comes as such', async () => {
  await go('/records?live=1', '.live-note .pulse:not(.pulse-off)');
  written = (await arrives('note', 0, 'audited', 'today')).times;
});

await test('a new policy: the mistake stands at its line and column; mended, it says what it would have denied', async () => {
  await go('/policies?new=1', '.ed-area');
  await page.fill('#new-policy input >> nth=0', POLICY);
  await page.fill('.ed-area', notes(true));
  await page.waitForSelector('.bad-error');
  assert.deepEqual(await page.locator('.bad-error').allTextContents(), ['acess']);
  assert.equal(await page.textContent('.finding-error .finding-place'), `5:${'  - {path: /srv/notes/**, '.length + 1}`);
  assert.ok(await page.isDisabled('.savebar button'));
  await accessible('a policy with a mistake');
  await page.fill('.ed-area', notes(false));
  await page.waitForSelector('.ed-status .good-text');
  assert.equal(await page.locator('.bad-error').count(), 0);
  await page.click('text=Try on the last');
  await page.waitForSelector('.dryrun-denies');
  assert.match(await page.textContent('.dryrun-said'), new RegExp(`would have denied ${written} `));
  assert.ok((await page.textContent('.dryrun')).includes('/srv/notes/today'));
  await accessible('a dry run');
  await page.fill('.savebar input', 'nobody writes notes');
  await page.click('.savebar button');
  await has('The policy is made');
});

await test('it is rolled out to all hosts, and the host proves it', async () => {
  await page.waitForSelector('.stages');
  while ((await page.locator('.stage-row').count()) > 1) await page.click('.stage-row >> nth=1 >> button');
  await page.fill('.stage-row input', '100');
  await page.selectOption('.stage-row select', 'policy');
  await page.click('text=Start the roll-out');
  await page.waitForSelector('tbody tr:has-text("web-01") .state:has-text("in force")', SLOW);
  await has('in force on 1 of 1');
  await accessible('a roll-out');
  await page.click('tbody a:has-text("web-01")');
  await page.waitForSelector(`tbody tr:has-text("${POLICY}") .state:has-text("in force")`);
  await quiet();
  // Each that is on was seen refusing an access of the agent's own.
  assert.match(await page.textContent('main'), /[1-9]\d* proved, \d+ with nothing to test, 0 not proved, 0 failed/);
  assert.deepEqual((await page.locator('main .state').allTextContents()).filter((s) => !s.trim()), []);
  assert.match(await page.textContent('main .facts-wide'), /Memory of the agent\d/);
  await accessible('a host');
});

await test('what the new policy forbids is refused, and arrives', async () => {
  await go('/records?live=1', '.live-note .pulse:not(.pulse-off)');
  const { said } = await arrives('note', 1, 'denied', 'today');
  assert.match(said, /Operation not permitted|Permission denied/);
});

await test('rolled back, it is allowed again', async () => {
  await go(`/policies?name=${POLICY}&tab=rollout`, 'button:has-text("Roll back")');
  await page.click('button:has-text("Roll back")');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('.state:has-text("rolled back")');
  await page.waitForFunction(() => ![...document.querySelectorAll('tbody tr')].some((r) => r.textContent.includes('web-01') && r.textContent.includes('in force')), undefined, SLOW);
  await go('/records?live=1', '.live-note .pulse:not(.pulse-off)');
  await arrives('note', 0, 'audited', 'today');
});

await test('it is told to load its policies again, and to test itself, and does', async () => {
  await go('/hosts', 'tbody a');
  await page.click('tbody a >> nth=0');
  for (const name of ['Load policies again', 'Prove all hooks now']) {
    const row = `tr:has(td:text-is("${name}")):has(.state:text-is("done"))`;
    const before = await page.locator(row).count();
    await page.click(`button:has-text("${name}")`);
    await page.waitForSelector(`${row} >> nth=${before}`, SLOW);
  }
});

await test('the host answers who looks: what runs on it, and how that is scheduled', async () => {
  await go('/hosts', 'tbody a');
  await page.click('tbody a >> nth=0');
  await page.waitForSelector('.defence-state .state');
  // What the agent says of itself now, not only in its rows.
  await page.waitForSelector('.fact:has(dt:text-is("Canary")) time', SLOW);
  await page.click('.page-do a:has-text("Live tree")');
  await page.waitForSelector('.ptree-name:has-text("safeguard-agent")', SLOW);
  const names = await page.locator('.ptree-name').allTextContents();
  assert.ok(names.includes('safeguard-server') && !names.some((n) => n.startsWith('kworker')), `${names}`);
  await page.check('label:has-text("Kernel threads") input');
  await page.waitForSelector('.ptree-name:has-text("kworker")');
  await accessible('the live tree');
  await page.click('.page-do a:has-text("Scheduling")');
  // Its programs are loaded for that, which takes an emulated host a while.
  await page.waitForSelector('.sched-window:has-text("over")', SLOW);
  await page.waitForSelector('.histogram tbody tr', SLOW);
  const rows = await page.locator('.sched-table tbody tr').allInnerTexts();
  assert.ok(rows.some((r) => r.includes('safeguard-server')), rows.join('\n'));
  assert.ok(await page.locator('.sched-table tbody tr td:nth-child(4)').evaluateAll((list) => list.some((td) => Number(td.textContent.replace(/,/g, '')) > 0)), 'nobody was switched');
  await has('No rule schedules anything on this host');
  await accessible('scheduling');
});

for (const [lang, theme] of [
  ['en', 'dark'],
  ['zh', 'light'],
])
  await test(`every page, ${lang} ${theme}: nothing fails, and axe finds nothing serious`, async () => {
    await page.evaluate(([l, t]) => (localStorage.setItem('lang', l), localStorage.setItem('theme', t)), [lang, theme]);
    await go('/', '.shell');
    assert.equal(await page.getAttribute('html', 'lang'), lang === 'zh' ? 'zh-CN' : 'en');
    const links = await page.locator('.rail-nav a').evaluateAll((list) => list.map((a) => a.getAttribute('href')));
    assert.ok(links.length >= 8, `only ${links}`);
    await go('/hosts', 'tbody a');
    const host = await page.getAttribute('tbody a', 'href');
    for (const link of [...links, host, ...['text', 'versions', 'rollout'].map((tab) => `/policies?name=${POLICY}&tab=${tab}`)]) {
      await go(link, 'main h1');
      await quiet();
      assert.deepEqual(await page.locator('.failure').allTextContents(), [], link);
      await accessible(`${link} ${lang} ${theme}`);
    }
  });

await browser.close();
process.exit(walk.end());
