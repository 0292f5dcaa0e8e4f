// SPDX-License-Identifier: Apache-2.0
//
// What the tests in a browser share: Debian's Chromium, one page with what went wrong on it, tests that are counted.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export const PASSWORD = 'correct-horse-battery';

const { LOGS } = process.env;
const require = createRequire(new URL('../../ui/package.json', import.meta.url));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Milliseconds that a page may take: machines are slow while they do other things, too. */
const PATIENCE = 30_000;

export const launch = () => chromium.launch({ executablePath: '/usr/bin/chromium', args: flags, headless: true });

/** A name for the pictures of what failed; `expected`: statuses of answers that the test asks for. */
export class Walk {
  page = null;
  problems = [];
  passed = 0;
  failed = 0;

  constructor(name, browser, url, { expected = [] } = {}) {
    Object.assign(this, { name, browser, url, expected });
  }

  /** A page in a context of its own: nobody is logged in, nothing is kept. What goes wrong on it is a problem of the test. The page
   *  before it is closed: one that nobody looks at goes on to live, and a dozen of them take a machine from the next. */
  async open({ watched = true, ...options } = {}) {
    await this.page?.context().close();
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 860 }, ignoreHTTPSErrors: true, locale: 'en-US', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    this.page = page;
    if (!watched) return page;
    page.on('console', (m) => m.type() === 'error' && !/Failed to load resource/.test(m.text()) && this.problems.push(m.text()));
    page.on('pageerror', (e) => this.problems.push(e.stack));
    page.on('response', (r) => {
      if (r.status() >= 400 && !this.expected.includes(r.status()) && r.url().includes('/api/'))
        this.problems.push(`${r.status()} ${r.request().method()} ${r.url()}`);
    });
    return page;
  }

  /** Somebody of server.mjs logged in, on a page of their own; `before` sees it before anything is on it. */
  async enter(user, path = '/', { before = () => undefined, ...options } = {}) {
    const page = await this.open(options);
    await before(page);
    await page.goto(this.url + path);
    await page.fill('input[name=username]', user);
    await page.fill('input[name=password]', PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.shell');
    return page;
  }

  test = async (name, fn) => {
    this.problems.length = 0;
    const start = performance.now();
    try {
      await fn();
      assert.deepEqual(this.problems, []);
      this.passed++;
      console.log(`ok ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    } catch (e) {
      this.failed++;
      const picture = `${LOGS}/${this.name}-${this.failed}.png`;
      await this.page?.screenshot({ path: picture }).catch(() => undefined);
      const why = String(e.stack).split('\n').slice(0, 8);
      console.log(`-- ${this.name}: ${name}\nnot ok ${name}\n   ${[...why, ...this.problems, picture].join('\n   ')}`);
    }
  };

  has = (text) => this.page.waitForSelector(`text=${text}`);

  go = async (path, selector) => {
    await this.page.goto(this.url + path);
    await this.page.waitForSelector(selector);
  };

  quiet = () => this.page.waitForFunction(() => !document.querySelector('.loading'));

  /** What axe calls serious or critical on the page as it is. */
  accessible = async (where) => {
    const { violations } = await this.page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] })`);
    const bad = violations
      .filter((v) => ['serious', 'critical'].includes(v.impact))
      .map((v) => `${v.id}: ${v.nodes[0].html.slice(0, 160)} ${v.nodes[0].any[0]?.message ?? ''}`);
    assert.deepEqual(bad, [], where);
  };

  /** The last line, and the status of the program. */
  end() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    return this.failed ? 1 : 0;
  }
}
