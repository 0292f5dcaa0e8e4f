#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// A stand-in for the server while pages are written: answers as the API does, with made-up data, from memory.
// It is not installed, checks nobody's password, and no test of the product uses it.
//     tools/dev.mjs [PORT]     empty=1: no host yet; any user and password; user "admin"/"auditor"/… has that role
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as data from './dev-data.mjs';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const port = Number(process.argv[2] ?? 8480);
const isEmpty = process.env.empty === '1';
const ids = { n: 500 };
const sessions = new Map();

class Refused extends Error {
  constructor(status, code, what, cure) {
    super(what);
    Object.assign(this, { status, code, what, cure });
  }
}

const hosts = isEmpty ? [] : data.hosts;
const audit = Array.from({ length: 60 }, (_, i) => ({
  id: 1000 - i,
  time: data.now - i * 47 * 60_000,
  actor: ['user:ada', 'user:olga', 'user:otto', 'token:backup'][i % 4],
  address: `192.0.2.${i % 9}`,
  action: ['policy.version', 'rollout.advance', 'host.labels', 'user.roles', 'login'][i % 5],
  object: ['20-credentials.yaml', '41', 'web1', 'olga', ''][i % 5],
  detail: { comment: 'the backup may read it', version: i % 3 },
}));
const users = [
  ['ada', ['admin']],
  ['olga', ['viewer', 'operator']],
  ['otto', ['viewer', 'operator']],
  ['aude', ['auditor']],
].map(([name, roles], i) => ({ name, roles, enabled: i !== 2, has_password: i !== 3, created: data.now - 9e9, last_login: data.now - i * 9e6 }));
const tokens = [{ id: 'a1', name: 'backup of records', user: 'olga', roles: ['viewer'], created: data.now - 9e8, expires: data.now + 4e9, last_used: data.now - 5e6 }];
const enrolment = [
  { id: 'e1', created: data.now - 5e6, expires: data.now + 7e7, by: 'ada', uses_left: 7, used: 3, labels: { env: 'prod' }, comment: null },
  { id: 'e2', created: data.now - 9e8, expires: data.now - 7e7, by: 'ada', uses_left: 1, used: 0, labels: {}, comment: null },
];
const channels = [
  { id: 'c1', name: 'on call', kind: 'webhook', target: 'https://hooks.example.org/safeguard', severity: 4, enabled: true, has_secret: true, sent: 41, failed: 0, dropped: 0, last_sent: data.now - 4e6, last_error: null },
  { id: 'c2', name: 'siem', kind: 'syslog', target: 'tls://siem.example.org:6514', severity: 1, enabled: true, has_secret: false, sent: 0, failed: 12, dropped: 0, last_sent: null, last_error: 'connection refused' },
];
const settings = [
  ['separation', 'bool', true, false, 'a user holds at most one of operator, admin and auditor; on with the second user'],
  ['host.silent_after', 'ms', 180_000, 180_000, 'a host that was not heard of for so long is silent'],
  ['records.max_bytes', 'bytes', 2 ** 36, 50 * 2 ** 30, 'the oldest records go when they take more'],
  ['alert.severity', 'count', 4, 4, 'records of this severity and above make alerts, denials always do'],
  ['public_url', 'text', '', '', 'address of this server in messages'],
].map(([key, type, value, fallback, help]) => ({ key, type, min: 0, max: 1e15, value, default: fallback, help }));
const strangers = [{ id: 'ffffffff-5afe-4000-8000-0123456789ab', name: 'old-web', machine_id: 'm', os: 'Debian GNU/Linux 12 (bookworm)', address: '192.0.2.7', first_seen: data.now - 9e6, last_seen: data.now - 9e3 }];

const list = (s) => (s ? s.split(',') : null);

function time(text, otherwise) {
  if (!text) return otherwise;
  const m = /^-(\d+)([mhd])$/.exec(text);
  if (m) return Date.now() - m[1] * { m: 6e4, h: 36e5, d: 864e5 }[m[2]];
  return /^\d+$/.test(text) ? Number(text) : Date.parse(text);
}

const like = (pattern, value) => (pattern.endsWith('*') ? (value ?? '').startsWith(pattern.slice(0, -1)) : value === pattern);

function found(q) {
  const from = time(q.get('from'), 0);
  const to = time(q.get('to'), Date.now());
  const lists = ['host', 'outcome', 'class'].map((f) => [f, list(q.get(f))]).filter(([, v]) => v);
  const ones = ['rule', 'policy', 'user', 'program', 'path'].map((f) => [f, q.get(f)]).filter(([, v]) => v);
  return data.events.filter(
    (e) =>
      e.time >= from &&
      e.time <= to &&
      lists.every(([f, v]) => v.includes(String(e[f]))) &&
      ones.every(([f, v]) => like(v, e[f])) &&
      e.severity >= Number(q.get('severity') ?? 0) &&
      (!q.get('q') || `${e.message} ${e.path}`.toLowerCase().includes(q.get('q').toLowerCase())),
  );
}

const row = ({ record, process_tree, raw, ...columns }) => columns;

function page(items, q, most = 100) {
  const start = Number(q.get('cursor') ?? 0);
  const n = Number(q.get('limit') ?? most);
  return { items: items.slice(start, start + n), next: start + n < items.length ? String(start + n) : null };
}

function buckets(items, from, to, step, key) {
  const n = Math.max(1, Math.ceil((to - from) / step));
  const out = new Map();
  for (const e of items) {
    const k = e[key];
    if (!out.has(k)) out.set(k, new Array(n).fill(0));
    const i = Math.floor((e.time - from) / step);
    if (i >= 0 && i < n) out.get(k)[i] += e.count > 1000 ? 14 : e.count;
  }
  return { n, out };
}

function top(q) {
  const sums = new Map();
  for (const e of found(q)) if (e[q.get('by')] && e.outcome !== 'other') sums.set(e[q.get('by')], (sums.get(e[q.get('by')]) ?? 0) + 1);
  const items = [...sums].sort((a, b) => b[1] - a[1]).map(([key, count]) => ({ key, label: key, count }));
  return { items: items.slice(0, Number(q.get('limit') ?? 10)) };
}

/** No compiler: finds some words that are surely wrong. */
function check(text) {
  const diagnostics = [];
  text.split('\n').forEach((line, i) => {
    for (const m of line.matchAll(/\b(acess|dny|rad)\b/g))
      diagnostics.push({
        severity: 'error', line: i + 1, column: [...line.slice(0, m.index)].length + 1, width: m[0].length, source: line,
        message: m[0] === 'acess' ? "unknown key 'acess' in a rule; did you mean 'access'?" : `'${m[0]}' is not known here`,
        expected: m[0] === 'dny' ? 'one of allow, audit, deny, kill' : 'one of path, access, by, not_by, do, mode', cure: null,
      });
    const m = /do: kill/.exec(line);
    if (m) diagnostics.push({ severity: 'warning', line: i + 1, column: m.index + 1, width: 8, message: 'a process that is killed cannot say why', expected: null, cure: 'use deny first', source: line });
  });
  const n = (s) => diagnostics.filter((d) => d.severity === s).length;
  return { errors: n('error'), warnings: n('warning'), diagnostics };
}

const find = (items, key, value) => items.find((i) => i[key] === value) ?? (() => { throw new Refused(404, 'not-found', `there is no ${value}`); })();
const policyOf = (name) => data.policies.find((p) => p.policy.name === name) ?? find([], 'name', name);
const alertDetail = (a) => ({
  alert: a,
  history: a.notes ?? [{ time: a.first_seen + 60_000, by: 'olga', kind: 'comment', text: 'seen on the other web servers, too' }],
  exception: null,
});

function saveVersion(p, body, by) {
  if (body.base !== undefined && body.base !== p.policy.version) throw new Refused(409, 'stale', 'there is a newer version');
  p.text = body.text;
  const n = p.policy.version + 1;
  p.versions.push({ version: n, author: by, comment: body.comment ?? '', created: Date.now(), text: body.text });
  Object.assign(p.policy, { version: n, author: by, changed: Date.now(), comment: body.comment ?? '' });
  return { policy: p.policy, text: p.text };
}

function changeAlert(a, body, by) {
  a.notes ??= alertDetail(a).history;
  for (const k of ['status', 'owner'])
    if (body[k] !== undefined) {
      a[k] = body[k];
      a.notes.push({ time: Date.now(), by, kind: k, text: `${k}: ${body[k]}` });
    }
  return alertDetail(a);
}

const made = (items, o) => (items.unshift(o), o);
const gone = (items, key, value) => (items.splice(items.indexOf(find(items, key, value)), 1), null);

const fleet = () => {
  const c = (s) => hosts.filter((h) => h.state === s).length;
  return { total: hosts.length, ok: c('ok'), degraded: c('degraded'), silent: c('silent'), cloned: c('cloned'), revoked: c('revoked') };
};

const routes = {
  'GET fleet': fleet,
  'GET overview': () => {
    const n = (o) => data.events.filter((e) => e.outcome === o && e.time > Date.now() - 864e5).length;
    return {
      hosts: fleet(),
      denials_24h: n('denied'), would_deny_24h: n('would-deny'), audited_24h: 123_456,
      alerts: { new: data.alerts.filter((a) => a.status === 'new').length, acknowledged: 8 },
      losses: { agents: 12, spool: 4096, server: 0 }, ingest: { per_s: 1840 }, store: { bytes: 41e9, oldest_ms: data.now - 80 * 864e5 },
    };
  },
  'GET rollup': (q) => {
    const from = time(q.get('from'), Date.now() - 864e5);
    const step = Number(q.get('step') ?? 6e5);
    const { out } = buckets(found(q), from, Date.now(), step, q.get('by'));
    return { from, to: Date.now(), step, series: [...out].map(([key, points]) => ({ key, label: key, points })) };
  },
  'GET top': top,
  'GET events': (q) => ({ ...page(found(q).map(row), q), truncated: false }),
  'GET events/timeline': (q) => {
    const from = time(q.get('from'), Date.now() - 864e5);
    const to = time(q.get('to'), Date.now());
    const step = Math.ceil((to - from) / Number(q.get('buckets') ?? 60));
    const { n, out } = buckets(found(q), from, to, step, 'outcome');
    return { from, to, step, points: Array.from({ length: n }, (_, i) => Object.fromEntries([...out].map(([k, v]) => [k, v[i]]))) };
  },
  'GET events/*': (q, b, [id]) => find(data.events, 'id', id),
  'GET hosts': (q) => page(hosts.filter((h) => (!q.get('state') || list(q.get('state')).includes(h.state)) && (!q.get('q') || h.name.includes(q.get('q')))), q),
  'GET hosts/*': (q, b, [id]) => data.hostDetail(find(hosts, 'id', id)),
  'PATCH hosts/*': (q, b, [id]) => data.hostDetail(Object.assign(find(hosts, 'id', id), b)),
  'POST hosts/*/revoke': (q, b, [id]) => Object.assign(find(hosts, 'id', id), { state: 'revoked' }),
  'DELETE hosts/*': (q, b, [id]) => gone(hosts, 'id', id),
  'GET hosts/*/commands': () => ({ items: [{ id: '7', name: 'self-test', args: {}, by: 'olga', created: data.now - 9e5, deadline: data.now, status: 'done', result: { proved: 25 }, error: null }], next: null }),
  'GET hosts/*/live/processes': (q, b, [id]) => data.liveProcesses(find(hosts, 'id', id)),
  'GET hosts/*/live/scheduling': (q, b, [id]) => data.liveScheduling(find(hosts, 'id', id)),
  'GET hosts/*/live/network': (q, b, [id]) => data.liveNetwork(find(hosts, 'id', id), q.get('what') ?? 'flows'),
  'GET hosts/*/live/defence': (q, b, [id]) => data.liveDefence(find(hosts, 'id', id)),
  'POST hosts/*/commands': (q, b) => ({ id: '8', ...b }),
  'GET enrolment-tokens': () => ({ items: enrolment }),
  'POST enrolment-tokens': (q, b, _, by) => {
    const token = made(enrolment, { id: `e${ids.n++}`, created: Date.now(), expires: Date.now() + (b.expires_in ?? 36e5), by, uses_left: b.uses ?? 1, used: 0, labels: b.labels ?? {}, comment: null });
    const text = 'sg1.eyJ1cmwiOiJodHRwczovL2d1YXJkLmV4YW1wbGUub3JnOjg0NDMiLCJjYSI6IjNmYjkifQ';
    return { token, text, command: `safeguard-agent enrol --server https://guard.example.org:8443 --token ${text}` };
  },
  'DELETE enrolment-tokens/*': (q, b, [id]) => gone(enrolment, 'id', id),
  'GET strangers': () => ({ items: isEmpty ? [] : strangers, next: null }),
  'POST strangers/*/adopt': (q, b, [id]) => gone(strangers, 'id', id) ?? hosts[0],
  'GET policies': () => ({ items: isEmpty ? [] : data.policies.map((p) => p.policy) }),
  'POST policies': (q, b, _, by) => {
    const p = { policy: { name: b.name, version: 0, selector: b.selector ?? '', rollout: null, hosts: { selected: 9, applied: 0, waiting: 0, failed: 0 } }, text: '', versions: [] };
    data.policies.push(p);
    return saveVersion(p, { ...b, base: 0 }, by);
  },
  'POST policies/check': (q, b) => check(b.text),
  'POST policies/dryrun': (q, b) => {
    const items = data.events.filter((e) => e.outcome === 'would-deny' && e.time > b.from);
    const count = (key) => [...items.reduce((m, e) => m.set(e[key] ?? "?", (m.get(e[key] ?? "?") ?? 0) + 1), new Map())].map(([k, n]) => ({ key: k, label: k, count: n })).slice(0, 5);
    return { records: 2310, denied: items.length, allowed: 2200, audited: 44, changed: items.length, truncated: false, programs: count('program').slice(0, 2), paths: count('path'),
      samples: items.slice(0, 5).map((e) => ({ event: e.id, time: e.time, host: e.host, program: e.program, path: e.path, was: 'would-deny', now: 'denied', rule: e.rule })) };
  },
  'GET policies/*': (q, b, [n]) => { const p = policyOf(n); return { policy: p.policy, text: p.text }; },
  'PUT policies/*': (q, b, [n], by) => saveVersion(policyOf(n), b, by),
  'PATCH policies/*': (q, b, [n]) => { const p = policyOf(n); Object.assign(p.policy, b); return { policy: p.policy, text: p.text }; },
  'DELETE policies/*': (q, b, [n]) => (data.policies.splice(data.policies.indexOf(policyOf(n)), 1), null),
  'GET policies/*/versions': (q, b, [n]) => ({ items: [...policyOf(n).versions].reverse().map(({ text, ...v }) => v) }),
  'GET policies/*/versions/*': (q, b, [n, v]) => find(policyOf(n).versions, 'version', Number(v)),
  'GET policies/*/hosts': () => ({ next: null, items: hosts.slice(0, 9).map((h, i) => ({ host: h.id, name: h.name, version: 2, mode: 'monitor', state: i === 3 ? 'failed' : i === 5 ? 'silent' : 'applied', proved: i === 3 ? null : data.now - 48_000, reason: i === 3 ? "line 12: 'dny' is not something to do" : null })) }),
  'POST policies/*/rollouts': (q, b, [n], by) => {
    const r = made(data.rollouts, { id: `${ids.n++}`, policy: n, before: 1, stage: 0, state: 'running', by, created: Date.now(), changed: Date.now(), hosts: { selected: 1, applied: 0, waiting: 1, failed: 0 }, stopped: null, ...b });
    policyOf(n).policy.rollout = r;
    return r;
  },
  'GET rollouts': (q) => ({ next: null, items: data.rollouts.filter((r) => !q.get('policy') || r.policy === q.get('policy')) }),
  'POST rollouts/*/*': (q, b, [id, what]) => {
    const r = find(data.rollouts, 'id', id);
    if (what === 'advance' && ++r.stage >= r.stages.length) r.state = 'done';
    else if (what !== 'advance') r.state = { pause: 'paused', resume: 'running', rollback: 'rolled-back' }[what];
    return r;
  },
  'GET alerts': (q) => page(data.alerts.filter((a) => (isEmpty ? false : true) && (!q.get('status') || list(q.get('status')).includes(a.status)) && a.severity >= Number(q.get('severity') ?? 0)), q),
  'GET alerts/*': (q, b, [id]) => alertDetail(find(data.alerts, 'id', id)),
  'PATCH alerts/*': (q, b, [id], by) => changeAlert(find(data.alerts, 'id', id), b, by),
  'POST alerts/*/comments': (q, b, [id], by) => { const a = find(data.alerts, 'id', id); a.notes = [...alertDetail(a).history, { time: Date.now(), by, kind: 'comment', text: b.text }]; return alertDetail(a); },
  'GET alerts/*/events': (q, b, [id]) => { const a = find(data.alerts, 'id', id); const e = find(data.events, 'id', a.event); return { items: [e, ...data.events.filter((x) => x.rule === a.rule).slice(0, 4)].map(row), next: null, truncated: false }; },
  'POST alerts/*/exception': (q, b, [id]) => { const p = data.policies[1]; return { policy: p.policy.name, reason: b.reason, text: p.text.replace('files:\n', `files:\n  # ${b.reason}\n  - {path: ${JSON.stringify(find(data.alerts, 'id', id).path ?? '/x')}, access: read, by: exception-1, do: allow}\n\n`) }; },
  'POST alerts/bulk': (q, b, _, by) => { for (const id of b.ids) changeAlert(find(data.alerts, 'id', id), b, by); return { changed: b.ids.length, missing: [] }; },
  'GET users': () => ({ items: users }),
  'POST users': (q, b) => ({ user: made(users, { name: b.name, roles: b.roles, enabled: true, has_password: true, created: Date.now(), last_login: null }), password: b.password ? null : 'correct-horse-battery' }),
  'PATCH users/*': (q, b, [n]) => { const { password, ...rest } = b; return Object.assign(find(users, 'name', n), rest); },
  'DELETE users/*': (q, b, [n]) => gone(users, 'name', n),
  'GET tokens': () => ({ items: tokens }),
  'POST tokens': (q, b, _, by) => ({ token: made(tokens, { id: `t${ids.n++}`, name: b.name, user: by, roles: b.roles, created: Date.now(), expires: Date.now() + b.expires_in, last_used: null }), text: 'sgt_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6' }),
  'DELETE tokens/*': (q, b, [id]) => gone(tokens, 'id', id),
  'GET audit': (q) => page(audit.filter((a) => !q.get('actor') || like(q.get('actor'), a.actor)), q),
  'GET channels': () => ({ items: isEmpty ? [] : channels }),
  'POST channels': (q, b) => made(channels, { id: `c${ids.n++}`, enabled: true, has_secret: false, sent: 0, failed: 0, dropped: 0, last_sent: null, last_error: null, ...b }),
  'PATCH channels/*': (q, b, [id]) => Object.assign(find(channels, 'id', id), b),
  'DELETE channels/*': (q, b, [id]) => gone(channels, 'id', id),
  'POST channels/*/test': (q, b, [id]) => ({ sent: id === 'c1', error: id === 'c1' ? null : 'connection refused' }),
  'GET settings': () => ({ items: settings }),
  'PATCH settings': (q, b) => { for (const [k, v] of Object.entries(b.set)) { const s = find(settings, 'key', k); s.value = v ?? s.default; } return { items: settings }; },
  'GET server': () => ({
    version: '0.1.0', started: data.now - 9e7, state: 'degraded', problems: [{ what: 'the disk of the records is 91 % full', cure: 'make records.max_bytes smaller, or the disk larger' }], cpu_permille: 143, rss: 187_000_000,
    http: { connections: 31, parked: 9, events: 2, requests: 812_334, errors_4xx: 41, errors_5xx: 0, refused_busy: 0 },
    ingest: { batches: 90_112, records: 41_882_001, duplicates: 128, missing: 4108, unreadable: 1, refused: 0, waiting: 0, per_s: 1840 },
    store: { records: 41_881_000, bytes: 41e9, oldest_ms: data.now - 80 * 864e5, free_bytes: 4e9 }, certificate_expires: data.now + 9e9, ca_expires: data.now + 2e11,
  }),
};
const patterns = Object.entries(routes).map(([key, fn]) => {
  const [method, path] = key.split(' ');
  return { method, re: new RegExp(`^${path.replaceAll('*', '([^/]+)')}$`), fn };
});

function rolesOf(user) {
  if (['admin', 'auditor', 'operator', 'viewer'].includes(user)) return user === 'operator' ? ['viewer', 'operator'] : [user];
  return ['viewer', 'operator', 'admin', 'auditor'];
}

function sessionOf(rq) {
  const id = /(?:^|; )dev=(\w+)/.exec(rq.headers.cookie ?? '')?.[1];
  return id ? sessions.get(id) : undefined;
}

function enter(rs, user) {
  const id = Math.random().toString(36).slice(2);
  sessions.set(id, { user, roles: rolesOf(user), csrf: `csrf${id}`, time: Date.now() });
  rs.setHeader('Set-Cookie', `dev=${id}; HttpOnly; SameSite=Strict; Path=/`);
  return sessions.get(id);
}

function live(rq, rs, q) {
  rs.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  let n = 0;
  const timer = setInterval(() => {
    const e = data.makeEvent(`l${ids.n++}`, Date.now());
    data.events.unshift(e);
    if (found(q).includes(e)) rs.write(`event: record\ndata: ${JSON.stringify(row(e))}\n\n`);
    if (++n === 20) rs.write('event: lost\ndata: {"lost":37}\n\n');
  }, 300);
  rq.on('close', () => clearInterval(timer));
}

async function api(rq, rs, url) {
  const path = url.pathname.slice('/api/v1/'.length);
  let text = '';
  for await (const chunk of rq) text += chunk;
  const body = text ? JSON.parse(text) : undefined;
  if (path === 'login') {
    if (body.password === 'wrong') throw new Refused(401, 'login', 'user or password is wrong');
    return enter(rs, body.user);
  }
  if (path === 'login/once' && body.code === 'usedup12') throw new Refused(401, 'login', 'the code is not valid');
  if (path === 'login/once') return enter(rs, 'owner');
  const session = sessionOf(rq);
  if (!session) throw new Refused(401, 'session', 'nobody is logged in');
  if (rq.method !== 'GET' && rq.headers['x-csrf-token'] !== session.csrf) throw new Refused(403, 'csrf', 'the CSRF word is missing');
  if (path === 'session') return session;
  if (path === 'logout' || path === 'expire') {
    sessions.clear();
    return null;
  }
  if (path === 'events/stream') return live(rq, rs, url.searchParams);
  if (path.endsWith('/export')) {
    rs.setHeader('Content-Type', 'application/x-ndjson');
    rs.end(found(url.searchParams).map((e) => `${JSON.stringify(e.record)}\n`).join(''));
    return undefined;
  }
  for (const { method, re, fn } of patterns) {
    const m = method === rq.method && re.exec(path);
    if (m) return fn(url.searchParams, body, m.slice(1).map(decodeURIComponent), session.user);
  }
  throw new Refused(404, 'not-found', `there is no ${rq.method} ${path}`);
}

const types = { html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };

createServer(async (rq, rs) => {
  const url = new URL(rq.url, 'http://localhost');
  rs.setHeader('Content-Security-Policy', "default-src 'self'");
  rs.setHeader('X-Content-Type-Options', 'nosniff');
  if (!url.pathname.startsWith('/api/')) {
    const name = url.pathname.includes('.') ? url.pathname.slice(1) : 'index.html';
    if (name.includes('..') || !existsSync(dist + name)) return void rs.writeHead(404).end();
    rs.setHeader('Content-Type', types[name.split('.').pop()] ?? 'application/octet-stream');
    return void rs.end(readFileSync(dist + name));
  }
  try {
    const value = await api(rq, rs, url);
    if (value === undefined) return;
    rs.writeHead(value === null ? 204 : 200, { 'Content-Type': 'application/json' });
    rs.end(value === null ? undefined : JSON.stringify(value));
  } catch (e) {
    const { status = 500, code = 'internal', what = String(e?.stack ?? e), cure } = e;
    rs.writeHead(status, { 'Content-Type': 'application/json' });
    rs.end(JSON.stringify({ error: { code, what, ...(cure ? { cure } : {}) } }));
  }
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}/`));
