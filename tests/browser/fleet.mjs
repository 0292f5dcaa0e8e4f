// SPDX-License-Identifier: Apache-2.0
//
// Called by tests/browser/run: starts the server and a small fleet, and does what people do.
import assert from 'node:assert/strict';
import { launch, PASSWORD, Walk } from './pages.mjs';
import { ownServer, start } from './server.mjs';

const { FLEET, DIR, LOGS } = process.env;

const AGENTS = 4;

const { url, command, log, server, serve } = await ownServer('fleet', ['viewer', 'operator', 'admin', 'auditor']);

let page;

async function enter(user, path, options) {
  page = await walk.enter(user, path, options);
}

// 401: nobody is logged in yet. 409: a test asks for it.
const browser = await launch();
const walk = new Walk('fleet', browser, url, { expected: [401, 409] });
const { has, go, quiet, accessible } = walk;

await walk.test('a wrong password is said', async () => {
  page = await walk.open({ watched: false });
  await page.goto(url);
  await page.fill('input[name=username]', 'u-viewer');
  await page.fill('input[name=password]', 'not-the-password');
  await page.keyboard.press('Enter');
  await has('User or password is wrong');
});

await walk.test('without a host the overview says how to enrol one, and hosts come', async () => {
  await enter('u-admin');
  await has('No host is enrolled yet');
  await page.click('text=Make a token');
  const said = await page.textContent('.copyable code');
  assert.match(said, /safeguard-agent enrol --server https:\/\/\S+ --token sg1\./);
  start('agents', FLEET, ['--token', said.split(' ').pop(), '--agents', String(AGENTS), '--dir', `${DIR}/agents`, '--seconds', '600', '--period-ms', '500'], log);
  await page.waitForFunction((n) => document.querySelector('.tile-figure')?.textContent === String(n), AGENTS, { timeout: 60_000 });
  await go('/hosts', 'tbody tr');
  await page.waitForFunction((n) => document.querySelectorAll('tbody tr').length === n, AGENTS);
});

await walk.test('records: the list, one record, its processes', async () => {
  await enter('u-operator', '/records');
  await page.waitForSelector('.rows-box .row');
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog .tree-actor');
  await page.click('dialog summary');
  await page.waitForSelector('dialog .json-key');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('dialog[open]').count(), 0);
});

await walk.test('records: a host by its name, and what is not wanted', async () => {
  await page.fill('input[type=search]', 'host:fleet-00001 outcome:denied');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.chip:has-text("fleet-00001")');
  await quiet();
  const names = new Set(await page.locator('.rows-box .row-host').allTextContents());
  assert.deepEqual([...names], ['fleet-00001']);
  await page.fill('input[type=search]', '-rule:shadow');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.chip-not');
  await has('No record matches');
});

await walk.test('records come live', async () => {
  await go('/records?live=1', '.rows-box .row');
  const n = await page.locator('.rows-box .row').count();
  await page.waitForFunction((before) => document.querySelectorAll('.rows-box .row').length > before, n);
});

await walk.test('records are exported as lines', async () => {
  await go('/records', 'a[download]');
  const [status, first] = await page.evaluate(async () => {
    const r = await fetch(document.querySelector('a[download]').href);
    return [r.status, (await r.text()).split('\n')[0]];
  });
  assert.equal(status, 200);
  assert.equal(JSON.parse(first).class_uid, 1001);
});

await walk.test('an alert: taken, commented, resolved', async () => {
  await go('/alerts', 'tbody tr');
  await page.click('tbody a >> nth=0');
  await page.click('dialog button:has-text("Acknowledge")');
  await page.waitForSelector('dialog .state:has-text("acknowledged")');
  await page.click('dialog button:has-text("Take it")');
  await page.waitForSelector('dialog .headline:has-text("u-operator")');
  await page.fill('dialog textarea', 'the backup, see \u202egnp');
  await page.click('dialog form button[type=submit]');
  await page.waitForSelector('dialog .comments .odd');
  // The hosts go on being denied it, and the next denial makes a resolved alert new: what stays is who resolved it.
  const told = page.waitForResponse((r) => r.request().method() === 'PATCH' && r.url().includes('/api/v1/alerts/'));
  await page.click('dialog button:has-text("Resolve")');
  assert.equal((await (await told).json()).alert.status, 'resolved');
  await page.waitForSelector('dialog .comments .note-status:has-text("resolved")');
});

await walk.test('a policy: mistakes stand where they are, mended it is saved', async () => {
  await go('/policies?new=1', '.ed-area');
  await page.fill('.ed-area', 'safeguard: 1\nname: t\nmode: enforce\nfiles:\n  # 中文 𝒳\n  - {path: /etc/shadow, acess: read, do: dny}\n');
  await page.waitForSelector('.bad-error');
  assert.deepEqual(await page.locator('.bad-error').allTextContents(), ['acess', 'dny']);
  assert.ok(await page.isDisabled('.savebar button'));
  await page.fill('.ed-area', (await page.inputValue('.ed-area')).replace('acess', 'access').replace('dny', 'deny'));
  await page.waitForFunction(() => !document.querySelector('.bad-error') && !/Checking/.test(document.querySelector('.ed-status').textContent));
  await page.fill('.savebar input', 'nobody reads the hashes');
  await page.click('text=Try on the last');
  await has('This would have denied');
  await page.click('.savebar button');
  await has('The policy is made');
});

await walk.test('a roll-out: from stage to stage, and back', async () => {
  await page.click('text=Start the roll-out');
  await page.click('text=Go on to stage 2');
  await has('stage 2 of 4');
  await page.waitForFunction((n) => document.querySelectorAll('section:last-of-type tbody tr, section tbody tr').length >= n, AGENTS);
  await page.click('button:has-text("Roll back")');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('.state:has-text("rolled back")');
});

await walk.test('somebody else saved meanwhile', async () => {
  await go('/policies?name=50-example.yaml', '.ed-area');
  await page.evaluate(async () => {
    const s = await (await fetch('/api/v1/session')).json();
    const p = await (await fetch('/api/v1/policies/50-example.yaml')).json();
    await fetch('/api/v1/policies/50-example.yaml', {
      method: 'PUT',
      headers: { 'X-CSRF-Token': s.csrf, 'Content-Type': 'application/json' },
      body: JSON.stringify({ text: `${p.text}# theirs\n`, base: p.policy.version, comment: 'x' }),
    });
  });
  await page.fill('.ed-area', `${await page.inputValue('.ed-area')}# mine\n`);
  await page.fill('.savebar input', 'mine');
  await page.click('.savebar button:not(:disabled)');
  await page.click('text=Go on upon version 2');
  await page.click('.savebar button:not(:disabled)');
  await has('Saved as version 3');
  await go('/policies?name=50-example.yaml&tab=versions', '.diff-added');
});

for (const role of ['viewer', 'operator', 'admin', 'auditor'])
  await walk.test(`${role}: every page that is shown may be read, and axe finds nothing serious`, async () => {
    await enter(`u-${role}`);
    const links = await page.locator('.rail-nav a').evaluateAll((list) => list.map((a) => a.getAttribute('href')));
    assert.ok(links.length >= 5);
    for (const link of links) {
      await go(link, 'main h1');
      await quiet();
      assert.deepEqual(await page.locator('.failure').allTextContents(), [], link);
      await accessible(link);
    }
  });

await walk.test('the trail has what was done, and who did it', async () => {
  await go('/audit', 'tbody tr');
  for (const action of ['rollout', 'policy', 'alert']) await page.waitForSelector(`tbody td:has-text("${action}")`);
  await page.waitForSelector('tbody td:has-text("u-operator")');
});

// What goes wrong with hosts -----------------------------------------------------------------------

/** A token for a further fleet, and that fleet: hosts NAME-00000 and so on. */
const token = (label) => command(['token', 'create', '--uses', '10', '--label', label]).split('\n')[0].trim();

function fleet(name, text, ...more) {
  return start(`agents-${name}`, FLEET, ['--token', text, '--name', name, '--dir', `${DIR}/agents-${name}`, '--seconds', '600', '--period-ms', '500', ...more], log);
}

const ended = (child) => new Promise((resolve) => child.once('exit', resolve).kill());

/** The first item of a list of the API, once it is as it should be. */
async function first(path, isSo = () => true) {
  for (const end = Date.now() + 60_000; ; ) {
    const item = await page.evaluate(async (p) => (await (await fetch(`/api/v1/${p}`)).json()).items[0], path);
    if (item && isSo(item)) return item;
    if (Date.now() > end) throw new Error(`${path} is not as it should be: ${JSON.stringify(item)}`);
    await new Promise((r) => setTimeout(r, 200));
  }
}

const host = (name, isSo) => first(`hosts?name=${name}`, isSo);

await walk.test('a policy that its hosts refuse stops by itself, with their reason, and is rolled back', async () => {
  fleet('odd', token('kind=odd'), '--agents', '3', '--refuse', 'NOHOOK');
  await enter('u-operator', '/hosts');
  const all = ['odd-00000', 'odd-00001', 'odd-00002'];
  for (const name of all) await host(name, (h) => h.state === 'ok');
  await page.evaluate(async () => {
    const s = await (await fetch('/api/v1/session')).json();
    const post = (path, body) =>
      fetch(`/api/v1/${path}`, { method: 'POST', headers: { 'X-CSRF-Token': s.csrf, 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    const text = 'safeguard: 1\nname: odd\nmode: enforce\nfiles:\n  - {path: /srv/odd, access: read, do: deny} # NOHOOK\n';
    await post('policies', { name: '60-odd.yaml', text, selector: 'kind=odd', comment: 'no host can load it' });
    await post('policies/60-odd.yaml/rollouts', { version: 1, stages: [{ share: 100, mode: 'policy' }] });
  });
  await go('/policies?name=60-odd.yaml&tab=rollout', '.steps');
  // The first that refuses stops it: the others may not have answered yet.
  await page.waitForSelector('text=/Stopped by the server: refused on [123] of 3 hosts/', { timeout: 60_000 });
  await has('this kernel has no hook for it');
  await page.waitForSelector('.state:has-text("paused")');
  await page.screenshot({ path: `${LOGS}/states-stopped.png` });
  await accessible('a roll-out that was stopped');
  assert.equal(await page.locator('button:has-text("Finish")').count(), 0);
  await go('/hosts?label=kind%3Dodd', 'tbody tr');
  await has('it cannot load its policies: this kernel has no hook for it');
  await page.screenshot({ path: `${LOGS}/states-hosts.png` });
  await enter('u-operator', '/policies?name=60-odd.yaml&tab=rollout', { locale: 'zh-CN' });
  await page.waitForSelector('text=/已由服务器停止：3 台主机中有 [123] 台拒绝/');
  await page.click('button:has-text("回滚")');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('.state:has-text("已回滚")');
  for (const name of all) await host(name, (h) => h.state === 'ok' && h.conditions.length === 0);
});

await walk.test('a clock that is years off is said with its cure, and its records are found', async () => {
  fleet('late', token('kind=late'), '--agents', '1', '--skew-s', '-94608000');
  await enter('u-operator', '/hosts');
  const h = await host('late-00000', (h) => h.conditions.some((c) => c.name === 'clock'));
  assert.equal(h.state, 'degraded');
  await go(`/hosts/${h.id}`, '.problem');
  await has('its clock is 3 years behind that of the server');
  await has('chrony');
  await page.screenshot({ path: `${LOGS}/states-clock.png` });
  await accessible('a host with a wrong clock');
  await page.click('text=its records, by its own time');
  await page.waitForSelector('.rows-box .row');
  await enter('u-operator', `/hosts/${h.id}`, { locale: 'zh-CN' });
  await has('主机时钟');
  await page.screenshot({ path: `${LOGS}/states-clock-zh.png` });
});

await walk.test('two machines with one identity: both are shown, with what to do', async () => {
  const text = token('kind=twin');
  await enter('u-operator', '/hosts');
  const one = fleet('twin', text, '--agents', '1');
  await host('twin-00000', (h) => h.boot_id?.startsWith('f1ee7000-0000-'));
  await ended(one);
  const second = fleet('twin', text, '--agents', '1', '--boot', '1');
  await host('twin-00000', (h) => h.boot_id?.startsWith('f1ee7000-0001-'));
  await ended(second);
  const third = fleet('twin', text, '--agents', '1');
  const h = await host('twin-00000', (h) => h.state === 'cloned');
  await ended(third);
  await go(`/hosts/${h.id}`, '.problem');
  await has('Machines with this identity');
  for (const boot of ['f1ee7000-0000-4000-8000', 'f1ee7000-0001-4000-8000']) await page.waitForSelector(`tbody td:has-text("${boot}")`);
  assert.equal(await page.locator('table:has(td:has-text("f1ee7000-0000")) tbody tr').count(), 2);
  await page.screenshot({ path: `${LOGS}/states-cloned.png` });
  await accessible('a cloned host');
  await enter('u-operator', `/hosts/${h.id}`, { locale: 'zh-CN' });
  await has('使用此身份的机器');
});

await walk.test('what is wrong with hosts stands among the alerts', async () => {
  await enter('u-operator', '/alerts');
  await first('alerts?q=two%20machines');
  await page.fill('input[type=search]', 'two machines');
  await page.keyboard.press('Enter');
  await page.click('tbody a:has-text("Two machines use one identity")');
  await page.waitForSelector('dialog .problem, dialog h3:has-text("The host now")');
  await has('safeguard-agent enrol');
  assert.equal(await page.locator('dialog button:has-text("exception")').count(), 0);
  await page.screenshot({ path: `${LOGS}/states-alert.png` });
  await accessible('an alert about a host');
  await page.keyboard.press('Escape');
  await first('alerts?status=resolved&q=load%20its%20policies');
  await go('/alerts?status=resolved&q=load%20its%20policies', 'tbody tr');
  await page.click('tbody a >> nth=0');
  await page.waitForSelector('dialog .comments :text("It is over.")');
});

await walk.test('an administrator revokes a host, by its name', async () => {
  await enter('u-admin', '/hosts');
  await page.click('td.cell-name a:has-text("fleet-00003")');
  await page.click('.page-do .button-danger');
  await page.fill('dialog input', 'fleet-00003');
  await page.click('dialog button[type=submit]');
  await has('This agent is refused');
});

await walk.test('a one-time code logs in, once', async () => {
  const link = /https:\S+/.exec(command(['user', 'code', 'u-auditor']))[0].replace(/^https:\/\/[^/]+/, url);
  page = await walk.open({ watched: false });
  await page.goto(link);
  await page.waitForSelector('.account-who:has-text("u-auditor")');
  page = await walk.open({ watched: false });
  await page.goto(link);
  await has('The one-time code was not accepted');
});

await walk.test('the server is killed and comes back: the page goes on', async () => {
  await enter('u-viewer', '/hosts');
  await page.waitForSelector('tbody tr');
  server.kill('SIGKILL');
  await page.click('.rail a[href="/alerts"]');
  await page.waitForSelector('.banner');
  await serve();
  await page.click('.failure button');
  await page.waitForSelector('tbody tr');
  assert.equal(await page.locator('.stage > .banner').count(), 0);
});

await browser.close();
process.exit(walk.end());
