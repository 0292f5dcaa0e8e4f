// SPDX-License-Identifier: Apache-2.0
//
// Called by tests/browser/run: a fleet whose every word is hostile (tests/security/guests.py), people who write no better, and
// every page, drawer and dialog. What hosts and people said is text, and nothing but text; no page breaks or grows over its edge.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { launch, Walk } from './pages.mjs';
import { ownServer, start } from './server.mjs';

const EVIL = '<img src=x onerror="window.__hit=1"><script>window.__hit=1</script>\u202egnp.exe';
const LONG = 'L'.repeat(59);

const { port, url, data, command, log, server } = await ownServer('hostile', ['operator', 'admin', 'auditor']);

const token = command(['token', 'create', '--uses', '0']).split('\n')[0];
const guests = start('guests', 'python3', ['tests/security/guests.py', String(port), data], log, 'pipe');
guests.stdin.write(`${token}\n`);
const { hosts, odd } = JSON.parse((await createInterface({ input: guests.stdout })[Symbol.asyncIterator]().next()).value);

const browser = await launch();
// 401: nobody is logged in yet. 400 and 409: what people say may be refused.
const walk = new Walk('hostile', browser, url, { expected: [401, 400, 409, 404] });
let page;

/** Somebody logged in, on a screen, in a language; what a page must never do is listened to from its beginning. */
async function enter(role, { lang = 'en', phone = false } = {}) {
  const before = async (made) => {
    await made.addInitScript((l) => {
      window.__broken = [];
      addEventListener('securitypolicyviolation', (e) => window.__broken.push(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
      localStorage.setItem('sg.lang', l);
      localStorage.setItem('lang', l);
    }, lang);
    made.on('dialog', (d) => {
      walk.problems.push(`a dialog: ${d.message()}`);
      void d.dismiss();
    });
    made.on('request', (r) => !r.url().startsWith(url) && !/^(data|blob):/.test(r.url()) && walk.problems.push(`a request elsewhere: ${r.url()}`));
  };
  page = await walk.enter(`u-${role}`, '/', { before, ...(phone ? { viewport: { width: 390, height: 844 }, hasTouch: true } : {}) });
}

/** What must hold of every page, whatever is on it. */
async function whole(name) {
  await walk.quiet();
  const found = await page.evaluate((origin) => {
    const wrong = [...window.__broken];
    if (window.__hit !== undefined) wrong.push('a script of theirs ran');
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) {
      const wide = [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1);
      const clipped = (e) => {
        for (let p = e.parentElement; p; p = p.parentElement) if (getComputedStyle(p).overflowX !== 'visible') return true;
        return false;
      };
      const by = wide.find((e) => !clipped(e)) ?? wide[0];
      wrong.push(`${root.scrollWidth} of ${root.clientWidth} pixels: ${by?.outerHTML.slice(0, 200)}`);
    }
    for (const e of document.querySelectorAll('script:not([src]), iframe, object, embed, base, body img, [onerror], [onload], [onclick], [srcdoc]'))
      wrong.push(`an element of theirs: ${e.outerHTML.slice(0, 120)}`);
    for (const a of document.querySelectorAll('[href], [src], [action], [formaction]'))
      for (const key of ['href', 'src', 'action', 'formaction']) {
        const v = a.getAttribute(key);
        if (v !== null && !(v.startsWith('#') || new URL(v, location.href).origin === origin)) wrong.push(`an address of theirs: ${v.slice(0, 120)}`);
      }
    const odd = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]/;
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let n = texts.nextNode(); n; n = texts.nextNode())
      if (odd.test(n.data) && !n.parentElement.closest('.ed-scroll, script, style')) wrong.push(`a character that is not shown: ${JSON.stringify(n.data.slice(0, 80))} in ${n.parentElement.outerHTML.slice(0, 120)}`);
    for (const e of document.querySelectorAll('[title], [aria-label]'))
      for (const key of ['title', 'aria-label']) if (odd.test(e.getAttribute(key) ?? '')) wrong.push(`${key}: ${JSON.stringify(e.getAttribute(key).slice(0, 80))}`);
    if (odd.test(document.title)) wrong.push(`the title: ${document.title}`);
    for (const e of document.querySelectorAll('.crash, .failure')) wrong.push(`it says: ${e.textContent.slice(0, 200)}`);
    return [...new Set(wrong)].slice(0, 6);
  }, url);
  assert.deepEqual(found, [], name);
}

/** To a page as by a link, which costs a seventh of loading all anew; by way of one that is none, so that nothing of the last one is taken for its own. */
const hop = async (path, selector) => {
  await page.evaluate(async (to) => {
    const go = (where) => (history.pushState(null, '', where), dispatchEvent(new PopStateEvent('popstate')));
    const end = performance.now() + 30_000;
    go('/nowhere');
    while (document.querySelector('dialog[open]') || !document.querySelector('main .empty a[href="/"]')) {
      if (performance.now() > end) throw new Error(`${location.href} is not left`);
      await new Promise(requestAnimationFrame);
    }
    go(to);
  }, path);
  await page.waitForFunction(() => !document.querySelector('main .empty a[href="/"]'));
  await page.waitForSelector(selector);
};

const visit = async (path, selector = 'main h1') => {
  await hop(path, selector);
  await whole(path);
};

const shown = async (text) => {
  const body = await page.evaluate(() => document.body.innerText);
  assert.ok(body.includes(text), `${text} is not shown`);
};

/** As the page itself would ask. */
const ask = (method, path, body) =>
  page.evaluate(
    async ([m, p, b]) => {
      const s = await (await fetch('/api/v1/session')).json();
      const r = await fetch(`/api/v1/${p}`, { method: m, headers: { 'X-CSRF-Token': s.csrf, 'Content-Type': 'application/json' }, body: b && JSON.stringify(b) });
      return [r.status, await r.json().catch(() => null)];
    },
    [method, path, body],
  );

const ids = Object.keys(hosts);
const html = ids.find((id) => hosts[id].startsWith('<script>'));

await walk.test('people write no better than hosts', async () => {
  await enter('operator');
  const text = `# ${EVIL}\nsafeguard: 1\nname: t\nmode: monitor\nfiles:\n  - {path: "/srv/${LONG}/**", access: read, do: audit}\n`;
  for (const [name, comment] of [['50-evil.yaml', EVIL], [`${LONG.toLowerCase()}.yaml`, LONG.repeat(10)]]) {
    const [status, made] = await ask('POST', 'policies', { name, text, comment });
    assert.equal(status, 201, JSON.stringify(made));
    const [, policy] = await ask('PUT', `policies/${name}`, { text: `${text}# more\n`, base: 1, comment });
    assert.equal(policy.policy.version, 2);
    assert.equal((await ask('POST', `policies/${name}/rollouts`, { version: 2, stages: [{ share: 50, mode: 'monitor' }, { share: 100, mode: 'policy' }] }))[0], 201);
  }
  for (const id of ids.slice(0, 3)) assert.equal((await ask('PATCH', `hosts/${id}`, { labels: { note: LONG, tag: '<b>x</b>' } }))[0] < 500, true);
  const [, { items }] = await ask('GET', 'alerts?limit=500');
  assert.ok(items.length >= 15, `${items.length} alerts`);
  for (const a of items.slice(0, 4)) {
    assert.equal((await ask('POST', `alerts/${a.id}/comments`, { text: `${EVIL}\n${LONG.repeat(8)}` }))[0], 201);
    await ask('PATCH', `alerts/${a.id}`, { status: 'acknowledged', owner: 'u-operator' });
  }
  for (const name of [EVIL.slice(0, 60), LONG]) await ask('POST', 'tokens', { name });
  await enter('admin');
  for (const name of [EVIL.slice(0, 60), LONG]) {
    await ask('POST', 'tokens', { name });
    await ask('POST', 'users', { name: LONG.toLowerCase(), roles: ['viewer'] });
    await ask('POST', 'channels', { name, kind: 'webhook', target: `https://127.0.0.1:9/${LONG.repeat(10)}?<script>window.__hit=1</script>` });
    await ask('POST', 'enrolment-tokens', { comment: EVIL + LONG, labels: { note: LONG } });
  }
  await ask('PATCH', 'settings', { set: { 'smtp.from': 'a@example.org', public_url: `https://${LONG}.example` } });
});

for (const how of [{ lang: 'en' }, { lang: 'zh', phone: true }]) {
  const on = `${how.lang}, ${how.phone ? 'a phone' : 'a screen'}`;
  // One host in n, others on a phone than on a screen: by two all of them, each with a text of its own.
  const part = (n) => ids.filter((_, i) => i % n === (how.phone ? 0 : 1));

  for (const role of ['operator', 'admin', 'auditor'])
    await walk.test(`${on}: every page of ${role}`, async () => {
      await enter(role, how);
      const links = await page.evaluate(async () => {
        document.querySelector('.phonebar button, .menu-button')?.click();
        await new Promise((r) => setTimeout(r, 200));
        return [...new Set([...document.querySelectorAll('.rail-nav a, .phonebar a, dialog a, nav a')].map((a) => a.getAttribute('href')))];
      });
      assert.ok(links.length >= 5, `${links}`);
      assert.equal(await page.evaluate(() => document.documentElement.lang.slice(0, 2)), how.lang);
      for (const link of links) await visit(link);
    });

  await walk.test(`${on}: every host`, async () => {
    await enter('operator', how);
    for (const id of part(2)) await visit(`/hosts/${id}`);
    await visit(`/hosts/${html}`);
    await shown('<script>window.__hit=1</script>');
    await visit('/hosts?q=%3Cscript%3E');
  });

  await walk.test(`${on}: what was executed, and each process`, async () => {
    await enter('operator', how);
    let met = 0;
    for (const id of part(2)) {
      const [, { items }] = await ask('GET', `hosts/${id}/processes?limit=10`);
      assert.equal(items.length, 2, hosts[id]);
      await visit(`/hosts/${id}/processes`, 'tbody .exec-cmd');
      await visit(`/hosts/${id}/processes?view=running`, '.ptree, .empty');
      // Hosts call entities what they like: what is none leads nowhere, and the other process of the host has a page.
      const [, { items: records }] = await ask('GET', `events?host=${id}&limit=3&class=1001`);
      const [, { record }] = await ask('GET', `events/${records[0].id}`);
      await visit(`/hosts/${id}/processes/${encodeURIComponent(record.actor.process.uid)}`, '.facts-wide, .empty');
      met += await page.locator('.facts-wide').count();
      if (await page.locator('main summary').count()) await page.click('main summary');
      await whole(`the process of ${id}`);
    }
    assert.equal(met, part(2).length);
  });

  await walk.test(`${on}: what hosts answer who looks at them`, async () => {
    await enter('operator', how);
    for (const id of part(2)) {
      await visit(`/hosts/${id}/processes?view=live`, '.ptree');
      await visit(`/hosts/${id}/scheduling`, '.sched-table tbody tr');
      await visit(`/network?host=${id}`, '.net-table tbody tr');
      await visit(`/network?host=${id}&tab=map`, '.net-map .net-node');
      for (const tab of ['dns', 'drops']) await visit(`/network?host=${id}&tab=${tab}`, 'section tbody tr');
    }
  });

  await walk.test(`${on}: hosts whose values are of other types`, async () => {
    for (const id of odd) {
      await visit(`/hosts/${id}`);
      if (id === odd.at(-1)) continue; // that has only records
      await visit(`/hosts/${id}/processes?view=live`, '.live-says');
      await visit(`/hosts/${id}/scheduling`, '.live-says');
      for (const tab of ['flows', 'map', 'dns', 'drops']) await visit(`/network?host=${id}&tab=${tab}`, '.live-says');
    }
  });

  await walk.test(`${on}: records, each of them in full`, async () => {
    for (const id of part(3)) {
      const [, { items }] = await ask('GET', `events?host=${id}&limit=2`);
      assert.equal(items.length, 2);
      await visit(`/records?host=${id}&record=${items[0].id}`, 'dialog[open] .facts');
    }
    await visit(`/records?host=${html}`, '.rows-box .row');
    await page.click('.rows-box .row >> nth=0');
    await page.click('dialog[open] summary');
    await page.waitForSelector('dialog .json-key');
    await whole('the record itself');
    await shown('<img src=x onerror=window.__hit=1>');
  });

  await walk.test(`${on}: alerts, each of them in full`, async () => {
    const [, { items }] = await ask('GET', 'alerts?limit=500');
    for (const a of items.filter((_, i) => i % 5 === (how.phone ? 0 : 1))) await visit(`/alerts?alert=${a.id}`, 'dialog[open] .headline');
  });

  await walk.test(`${on}: policies, versions, roll-outs`, async () => {
    for (const name of ['50-evil.yaml', `${LONG.toLowerCase()}.yaml`])
      for (const tab of ['', '&tab=versions', '&tab=rollout', '&tab=hosts']) await visit(`/policies?name=${name}${tab}`);
  });
}

await walk.test('records whose values are of other types, each of them in full', async () => {
  await enter('operator');
  const [, { items }] = await ask('GET', `events?host=${odd.at(-1)}&limit=1000`);
  assert.ok(items.length > 60, `${items.length} records`);
  await visit(`/records?host=${odd.at(-1)}`, '.rows-box .row');
  const broken = [];
  for (const [n, i] of items.entries()) {
    await hop(`/records?host=${odd.at(-1)}&record=${i.id}`, 'dialog[open] .facts, .failure, .crash').catch(() => broken.push(i.id));
    if (n % 40 === 0) await whole(i.id);
    if (broken.length > 2) break;
  }
  await whole('the last one');
  assert.deepEqual(broken, []);
  await visit(`/hosts/${odd.at(-1)}/processes`, 'tbody .exec-cmd, .empty');
  await visit(`/hosts/${odd.at(-1)}/processes?view=running`, '.ptree, .empty');
  const [, found] = await ask('GET', `hosts/${odd.at(-1)}/processes?limit=200`);
  for (const uid of new Set(found.items.map((i) => i.uid).filter((u) => /^[\w:-]+$/.test(u ?? '')))) await visit(`/hosts/${odd.at(-1)}/processes/${encodeURIComponent(uid)}`, '.facts-wide, .empty');
});

await walk.test('dialogs', async () => {
  await enter('admin', {});
  await walk.go(`/hosts/${html}`, 'main h1');
  await page.click('.page-do .button-danger');
  await page.waitForSelector('dialog[open]');
  await whole('revoking');
  for (const path of ['/users', '/tokens', '/enrol', '/channels']) {
    await walk.go(path, 'main h1');
    await walk.quiet();
    for (const button of await page.locator('main button:visible').all()) {
      if (await page.locator('dialog[open]').count()) await page.keyboard.press('Escape');
      await button.click({ timeout: 1000 }).catch(() => undefined);
      await whole(`${path}: ${await button.textContent({ timeout: 500 }).catch(() => '')}`);
    }
  }
});

await browser.close();
guests.stdin.end();
server.kill();
process.exit(walk.end());
