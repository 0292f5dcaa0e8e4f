#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// Takes pictures of every page in both languages, both colour schemes, at a desk and on a phone, and runs axe on
// each. For looking at while pages are written.
//     tools/shots.mjs [--url URL] [--out DIR] [--only WORD] [--quick]
// Status 1 when a page has an error in its console, a violation that axe calls serious, or is wider than its screen.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const url = option('url', 'http://127.0.0.1:8480');
const out = option('out', 'shots');
const only = option('only', '');
const quick = process.argv.includes('--quick');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const click = (selector) => async (page) => {
  await page.click(selector);
  await page.waitForTimeout(400);
};
const pages = [
  ['overview', '/'],
  ['records', '/records'],
  ['records-filtered', '/records?outcome=denied&not_rule=boot&q=shadow'],
  ['record', '/records', click('.row-open >> nth=2')],
  ['records-live', '/records?live=1', (page) => page.waitForTimeout(2500)],
  ['records-none', '/records?rule=nothing-like-this'],
  ['alerts', '/alerts'],
  ['alert', '/alerts?alert=100'],
  ['alert-exception', '/alerts?alert=100', click('text=/Make an exception|创建例外/')],
  ['hosts', '/hosts'],
  ['host', '/hosts/00000004-5afe-4000-8000-0123456789ab'],
  ['host-unlocked', '/hosts/00000002-5afe-4000-8000-0123456789ab'],
  ['host-away', '/hosts/00000006-5afe-4000-8000-0123456789ab'],
  ['unlock', '/hosts/00000001-5afe-4000-8000-0123456789ab', click('text=/^(Unlock…|解锁…)$/')],
  ['live', '/hosts/00000001-5afe-4000-8000-0123456789ab/processes?view=live'],
  ['live-found', '/hosts/00000008-5afe-4000-8000-0123456789ab/processes?view=live&find=ann'],
  ['live-away', '/hosts/00000006-5afe-4000-8000-0123456789ab/processes?view=live'],
  ['scheduling', '/hosts/00000002-5afe-4000-8000-0123456789ab/scheduling'],
  ['scheduling-wait', '/hosts/00000001-5afe-4000-8000-0123456789ab/scheduling?sort=wait', (page) => page.evaluate(() => scrollTo(0, 1e6))],
  ['scheduling-off', '/hosts/00000004-5afe-4000-8000-0123456789ab/scheduling'],
  ['network', '/network?host=00000001-5afe-4000-8000-0123456789ab'],
  ['network-map', '/network?host=00000001-5afe-4000-8000-0123456789ab&tab=map', click('.net-node >> nth=0')],
  ['network-dns', '/network?host=00000001-5afe-4000-8000-0123456789ab&tab=dns'],
  ['network-drops', '/network?host=00000001-5afe-4000-8000-0123456789ab&tab=drops'],
  ['network-off', '/network?host=00000004-5afe-4000-8000-0123456789ab'],
  ['network-all', '/network'],
  ['host-missing', '/hosts/none'],
  ['policies', '/policies'],
  ['policy', '/policies?name=20-credentials.yaml'],
  ['policy-mistake', '/policies?name=60-ssh-keys.yaml', async (page) => {
    await page.click('.ed-area');
    await page.keyboard.press('Control+Home');
    await page.keyboard.type('# 中文 𝒳\nx: {path: /etc/shadow, acess: read, do: dny}\n');
    await page.waitForTimeout(900);
  }],
  ['policy-dryrun', '/policies?name=20-credentials.yaml', click('text=/^Try on|试运行$/ >> nth=-1')],
  ['policy-versions', '/policies?name=30-system-binaries.yaml&tab=versions'],
  ['policy-rollout', '/policies?name=20-credentials.yaml&tab=rollout'],
  ['policy-new-rollout', '/policies?name=40-boot.yaml&tab=rollout'],
  ['policy-new', '/policies?new=1'],
  ['users', '/users'],
  ['user-new', '/users', click('.page-do button')],
  ['tokens', '/tokens'],
  ['enrol', '/enrol'],
  ['enrol-made', '/enrol', async (page) => {
    await page.click('.page-do button');
    await page.click('dialog button[type=submit]');
    await page.waitForTimeout(400);
  }],
  ['audit', '/audit'],
  ['channels', '/channels'],
  ['settings', '/settings'],
  ['server', '/server'],
  ['help', '/', (page) => page.keyboard.press('?')],
  ['nowhere', '/nowhere'],
];

const looks = [];
for (const lang of quick ? ['en'] : ['en', 'zh'])
  for (const theme of ['light', 'dark'])
    for (const size of ['desk', 'phone']) if (!quick || theme === (size === 'desk' ? 'light' : 'dark')) looks.push({ lang, theme, size });

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: flags, headless: true });
let bad = 0;
const complain = (text) => {
  bad++;
  console.log(text);
};

async function look({ lang, theme, size }) {
  const context = await browser.newContext({
    viewport: size === 'desk' ? { width: 1280, height: 860 } : { width: 360, height: 740 },
    colorScheme: theme,
    locale: lang === 'zh' ? 'zh-CN' : 'en-US',
    bypassCSP: false,
    hasTouch: size === 'phone',
    reducedMotion: 'reduce',
  });
  await context.addInitScript((l) => localStorage.setItem('lang', l), lang);
  const page = await context.newPage();
  let name = 'login';
  page.on('console', (m) => {
    if (m.type() === 'error' && !/status of 4\d\d/.test(m.text())) complain(`${name} ${lang} ${theme} ${size}: console: ${m.text()}`);
  });
  page.on('pageerror', (e) => complain(`${name} ${lang} ${theme} ${size}: ${e.stack}`));
  const shoot = async () => {
    await page.waitForTimeout(150);
    await page.screenshot({ path: `${out}/${name}-${lang}-${theme}-${size}.png` });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) complain(`${name} ${lang} ${theme} ${size}: ${wide} px too wide`);
    const found = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`);
    for (const v of found.violations)
      if (['serious', 'critical'].includes(v.impact))
        complain(`${name} ${lang} ${theme} ${size}: axe ${v.id} (${v.nodes.length}): ${v.nodes[0].html.slice(0, 160)} ${v.nodes[0].any[0]?.message ?? v.help}`);
      else if (process.argv.includes('--all')) console.log(`note: ${name} ${size}: axe ${v.id}: ${v.nodes[0].html.slice(0, 160)}`);
  };
  await page.goto(`${url}/`);
  await page.waitForSelector('input[type=password]');
  if (!only || only === name) await shoot();
  await page.fill('input[name=username]', option('user', 'olga'));
  await page.fill('input[name=password]', option('password', 'password'));
  await page.click('button[type=submit]');
  await page.waitForSelector('.shell');
  for (const [id, path, act] of pages) {
    if (only && !id.startsWith(only)) continue;
    name = id;
    await page.goto(url + path);
    await page.waitForSelector('.shell');
    await page.waitForFunction(() => !document.querySelector('.loading'), undefined, { timeout: 5000 }).catch(() => complain(`${name}: still loading`));
    try {
      if (act) await act(page);
    } catch (e) {
      complain(`${name} ${lang} ${size}: ${String(e).split('\n')[0]}`);
    }
    await shoot();
  }
  await context.close();
}

mkdirSync(out, { recursive: true });
for (const l of looks) await look(l);
await browser.close();
console.log(bad ? `${bad} to mend` : 'nothing to mend');
process.exit(bad ? 1 : 0);
