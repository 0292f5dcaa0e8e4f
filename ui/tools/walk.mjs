#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// Walks through the pages as a person does, by mouse and by keys, against tools/dev.mjs. For whoever writes pages:
//     tools/walk.mjs [URL]     (with a tools/dev.mjs that was just started: it revokes hosts, saves versions)
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const url = process.argv[2] ?? 'http://127.0.0.1:8480';
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: flags, headless: true });
let failed = 0;
let page;
const problems = [];

async function open(path = '/', user = 'olga') {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-US' });
  page = await context.newPage();
  page.on('console', (m) => m.type() === 'error' && !/status of 4\d\d/.test(m.text()) && problems.push(m.text()));
  page.on('pageerror', (e) => problems.push(e.stack));
  await page.goto(url + path);
  await page.fill('input[name=username]', user);
  await page.fill('input[name=password]', 'password');
  await page.click('button[type=submit]');
  await page.waitForSelector('.shell');
  await settled();
}

async function settled() {
  await page.waitForTimeout(150);
  await page.waitForFunction(() => !document.querySelector('.loading'));
}

async function step(name, fn) {
  try {
    await fn();
    assert.deepEqual(problems, []);
    console.log(`ok ${name}`);
  } catch (e) {
    failed++;
    problems.length = 0;
    console.log(`not ok ${name}\n   ${String(e.stack).split('\n').slice(0, 6).join('\n   ')}`);
    await page?.screenshot({ path: '/tmp/walk.png' });
  }
}

const has = (text) => page.waitForSelector(`text=${text}`, { timeout: 3000 });
const press = async (...keys) => {
  for (const k of keys) await page.keyboard.press(k);
  await page.waitForTimeout(120);
};
const search = () => new URL(page.url()).search;

await step('a link leads back to its page after the log-in', async () => {
  await open('/records?outcome=denied');
  assert.equal(search(), '?outcome=denied');
  assert.equal(await page.locator('.chip').count(), 1);
});

await step('a wrong password is said, with what to do', async () => {
  const context = await browser.newContext();
  page = await context.newPage();
  await page.goto(url);
  await page.fill('input[name=username]', 'x');
  await page.fill('input[name=password]', 'wrong');
  await press('Enter');
  await has('User or password is wrong');
  assert.equal(await page.inputValue('input[name=password]'), '');
});

await step('a one-time code logs in and leaves the address bar', async () => {
  const context = await browser.newContext();
  page = await context.newPage();
  await page.goto(`${url}/#once=abcdefgh1234`);
  await page.waitForSelector('.shell');
  assert.equal(new URL(page.url()).hash, '');
});

await step('a code that is used up is said, and the log-in is there', async () => {
  const context = await browser.newContext();
  page = await context.newPage();
  await page.goto(`${url}/#once=usedup12`);
  await has('The one-time code was not accepted');
  await page.waitForSelector('input[type=password]');
  assert.equal(new URL(page.url()).hash, '');
});

await step('a code in a tab where somebody is logged in takes over', async () => {
  await open('/', 'auditor');
  await page.goto(`${url}/#once=abcdefgh1234`);
  await page.waitForSelector('.account-who:has-text("owner")');
});

await step('keys: g r, j k, Enter, Esc; the focus comes back', async () => {
  await open('/');
  await press('g', 'r');
  assert.equal(new URL(page.url()).pathname, '/records');
  await settled();
  await press('j', 'j', 'j', 'k', 'Enter');
  await page.waitForSelector('dialog.drawer[open]');
  const first = search();
  await settled();
  await press('j');
  await settled();
  assert.notEqual(search(), first);
  await press('Escape');
  assert.equal(await page.locator('dialog[open]').count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement?.dataset.index), '1');
  await press('?');
  await has('Keyboard');
  await press('Escape', '/');
  assert.equal(await page.evaluate(() => document.activeElement?.type), 'search');
});

await step('the search box makes chips, and back takes them away', async () => {
  await page.fill('input[type=search]', 'shadow outcome:denied -program:/usr/bin/cat');
  await press('Enter');
  await settled();
  assert.equal(await page.locator('.chip').count(), 2);
  assert.match(search(), /not_program=/);
  const programs = await page.locator('.row-program').allTextContents();
  assert.ok(!programs.includes('cat'));
  await page.goBack();
  assert.equal(await page.locator('.chip').count(), 0);
});

await step('hosts are typed by name, kept by id, shown by name', async () => {
  await page.goto(`${url}/records`);
  await settled();
  await page.fill('input[type=search]', 'host:web1 -host:db1');
  await press('Enter');
  await settled();
  assert.match(search(), /host=00000001-.*not_host=00000004-/);
  const chips = await page.locator('.chip').allTextContents();
  assert.ok(chips[0].includes('web1') && chips[1].includes('db1'), String(chips));
  await page.reload();
  await page.waitForSelector('.chip:has-text("web1")');
  await page.fill('input[type=search]', 'host:nowhere');
  await press('Enter');
  await has('There is no host named nowhere');
});

await step('only this, from a record', async () => {
  await page.goto(`${url}/records`);
  await settled();
  await page.click('.row-open >> nth=1');
  await settled();
  await page.click('.narrow button >> nth=0');
  await settled();
  assert.equal(await page.locator('.chip').count(), 1);
});

await step('a brush over the chart narrows the time', async () => {
  await page.goto(`${url}/records`);
  await settled();
  const box = await page.locator('.u-over').boundingBox();
  await page.mouse.move(box.x + 300, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + 500, box.y + 30, { steps: 5 });
  await page.mouse.up();
  await settled();
  assert.match(search(), /from=20.*to=20/);
});

await step('a long list holds few rows, and loads more at its end', async () => {
  await page.goto(`${url}/records?from=-30d`);
  await settled();
  assert.ok((await page.locator('.rows-box .row').count()) < 60);
  for (let i = 0; i < 4; i++) {
    await page.evaluate(() => (document.querySelector('.rows-box').scrollTop = 1e9));
    await settled();
    await page.waitForTimeout(150);
  }
  const text = await page.textContent('.rows-foot');
  assert.ok(Number(/([\d,]+)/.exec(text)[1].replace(',', '')) >= 600, text);
  assert.ok((await page.locator('.rows-box .row').count()) < 60);
});

await step('live: rows come, pause holds them, losses are counted', async () => {
  await page.goto(`${url}/records?live=1`);
  await page.waitForSelector('.rows-box .row');
  await press('l');
  await page.waitForTimeout(900);
  await has('Go on');
  const n = await page.locator('.rows-box .row').count();
  await page.waitForTimeout(900);
  assert.equal(await page.locator('.rows-box .row').count(), n);
  await press('l');
  await page.waitForTimeout(4500);
  await has('37 records were not shown');
});

await step('alerts by keys: x x e, then the drawer', async () => {
  await page.goto(`${url}/alerts?status=new`);
  await settled();
  const title = await page.locator('tbody a').first().textContent();
  await press('j', 'x', 'j', 'x');
  assert.equal(await page.locator('.bulk').count(), 1);
  await press('e');
  await has('2 alerts changed');
  await page.goto(`${url}/alerts?status=acknowledged`);
  await settled();
  assert.ok((await page.locator('tbody a').allTextContents()).includes(title));
  await page.click('tbody a >> nth=0');
  await settled();
  await page.fill('dialog textarea', 'looked at it');
  await page.click('dialog form button[type=submit]');
  await has('looked at it');
});

await step('an exception: preview, then the editor has it', async () => {
  await page.goto(`${url}/alerts?alert=102`);
  await settled();
  await page.click('text=Make an exception');
  await page.fill('dialog.ask textarea', 'the backup may');
  await page.click('text=Show the text');
  await page.waitForSelector('dialog.ask .diff-added');
  await page.click('text=Go on in the editor');
  await page.waitForSelector('.ed-area');
  assert.match(await page.inputValue('.ed-area'), /# the backup may/);
  assert.equal(await page.inputValue('.savebar input'), 'the backup may');
});

await step('unsaved text asks before it is left; saving makes a version', async () => {
  let asked = 0;
  page.on('dialog', (d) => {
    if (d.type() === 'beforeunload') return void d.accept();
    asked++;
    void d.dismiss();
  });
  await page.click('.rail a[href="/hosts"]');
  assert.equal(asked, 1);
  assert.equal(new URL(page.url()).pathname, '/policies');
  await page.click('.savebar button');
  await has('Saved as version');
  await page.click('.rail a[href="/hosts"]');
  assert.equal(asked, 1);
  assert.equal(new URL(page.url()).pathname, '/hosts');
});

await step('the editor: squiggles where the mistake stands, a click goes there', async () => {
  await page.goto(`${url}/policies?name=70-web-roots.yaml`);
  await page.waitForSelector('.ed-area');
  await page.click('.ed-area');
  await press('Control+End');
  await page.keyboard.type('  - {path: /中文/𝒳, do: dny}');
  await page.waitForSelector('.bad-error');
  assert.deepEqual(await page.locator('.bad-error').allTextContents(), ['dny']);
  await press('Control+Home');
  await page.click('.finding button');
  const at = await page.evaluate(() => {
    const a = document.querySelector('.ed-area');
    return a.value.slice(a.selectionStart, a.selectionStart + 3);
  });
  assert.equal(at, 'dny');
  assert.ok(await page.isDisabled('.savebar button'));
});

await step('somebody else saved meanwhile: said, compared, saved on top', async () => {
  await page.goto(`${url}/policies?name=50-persistence.yaml`);
  await page.waitForSelector('.ed-area');
  await page.click('.ed-area');
  await press('Control+End');
  await page.keyboard.type('# mine\n');
  await page.evaluate(async () => {
    const s = await (await fetch('/api/v1/session')).json();
    const p = await (await fetch('/api/v1/policies/50-persistence.yaml')).json();
    await fetch('/api/v1/policies/50-persistence.yaml', { method: 'PUT', headers: { 'X-CSRF-Token': s.csrf }, body: JSON.stringify({ text: `${p.text}# theirs\n`, base: p.policy.version, comment: 'x' }) });
  });
  await page.fill('.savebar input', 'why');
  await page.click('.savebar button');
  await has('Compare, then save again');
  await page.click('text=Show the difference');
  await has('# theirs');
  await page.click('text=Go on upon version');
  await page.click('.savebar button');
  await has('Saved as version');
});

await step('a roll-out: start, go on, roll back', async () => {
  await page.goto(`${url}/policies?name=40-boot.yaml&tab=rollout`);
  await settled();
  await page.click('text=Start the roll-out');
  await has('Go on to stage 2');
  await page.click('text=Go on to stage 2');
  await has('stage 2 of 4');
  await page.click('text=Roll back');
  await page.click('dialog button[type=submit]');
  await has('rolled back');
});

await step('revoking a host asks for its name', async () => {
  await page.goto(`${url}/hosts/00000001-5afe-4000-8000-0123456789ab`);
  await settled();
  await page.click('.page-do .button-danger');
  assert.ok(await page.isDisabled('dialog button[type=submit]'));
  await page.fill('dialog input', 'web1');
  await page.click('dialog button[type=submit]');
  await has('This agent is refused');
});

await step('a session that ends: log in over the page, nothing lost', async () => {
  await page.goto(`${url}/policies?name=30-system-binaries.yaml`);
  await page.waitForSelector('.ed-area');
  await page.evaluate(async () => {
    const s = await (await fetch('/api/v1/session')).json();
    await fetch('/api/v1/expire', { method: 'POST', headers: { 'X-CSRF-Token': s.csrf } });
  });
  await page.click('.ed-area');
  await page.keyboard.type('# kept\n');
  await page.waitForSelector('dialog input[type=password]');
  await press('Escape', 'Escape', 'Escape');
  assert.equal(await page.locator('dialog[open]').count(), 1);
  await page.fill('dialog input[type=password]', 'password');
  await press('Enter');
  await page.waitForFunction(() => !document.querySelector('dialog[open]'));
  assert.match(await page.inputValue('.ed-area'), /# kept/);
});

await step('roles: an auditor sees the trail and changes nothing', async () => {
  await open('/alerts', 'auditor');
  assert.equal(await page.locator('input[type=checkbox]').count(), 0);
  await page.goto(`${url}/users`);
  await settled();
  assert.equal(await page.locator('.page-do button').count(), 0);
  await page.goto(`${url}/audit`);
  await has('policy.version');
});

await step('roles: an administrator sees no policies', async () => {
  await open('/policies', 'admin');
  await has('Your roles do not allow this');
  assert.equal(await page.locator('.rail a[href="/alerts"]').count(), 0);
});

await step('language and colours are kept', async () => {
  await open('/');
  await page.click('.account-do button >> nth=0');
  await has('总览');
  await page.click('.account-do button >> nth=1');
  await page.click('.account-do button >> nth=1');
  await page.reload();
  await has('总览');
  assert.equal(await page.getAttribute('html', 'data-theme'), 'dark');
  assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN');
});

await step('the server goes away and comes back', async () => {
  await page.route('**/api/v1/**', (r) => r.abort());
  await page.click('.rail a[href="/hosts"]');
  await page.waitForSelector('.failure');
  await page.waitForSelector('.banner');
  problems.length = 0;
  await page.unroute('**/api/v1/**');
  await page.click('.failure button');
  await page.waitForSelector('tbody tr');
  assert.equal(await page.locator('.stage > .banner').count(), 0);
});

await browser.close();
console.log(failed ? `${failed} failed` : 'all well');
process.exit(failed ? 1 : 0);
