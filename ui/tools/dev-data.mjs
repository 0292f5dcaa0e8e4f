// SPDX-License-Identifier: Apache-2.0
//
// Made-up hosts, records, alerts and policies for tools/dev.mjs, out of the records in tests/golden/ocsf. For
// looking at pages while they are written; nothing of the product is tested with it.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const now = Date.now();
const HOUR = 3_600_000;

// The same pages every time: screenshots can be compared.
let seed = 7;
function random() {
  seed = (seed * 1103515245 + 12345) & 0x7fffffff;
  return seed / 0x7fffffff;
}
const pick = (list) => list[Math.floor(random() * list.length)];

const golden = readdirSync(`${root}tests/golden/ocsf`)
  .filter((f) => f.endsWith('.json'))
  .map((f) => JSON.parse(readFileSync(`${root}tests/golden/ocsf/${f}`, 'utf8')));

const uuid = (n) => `${String(n).padStart(8, '0')}-5afe-4000-8000-0123456789ab`;
const names = ['web1', 'web2', 'web3', 'db1', 'db2', 'build-runner-07', 'mail', 'bastion', 'edge-fra-1', 'edge-sin-1', 'laptop\u202egnp.exe', 'cache1'];
const states = ['ok', 'ok', 'ok', 'degraded', 'ok', 'silent', 'ok', 'ok', 'ok', 'ok', 'cloned', 'revoked'];
const reasons = {
  degraded: 'hook file_open: the self-test was neither refused nor recorded (it passed)',
  silent: 'nothing was heard for 42 minutes',
  cloned: 'the machine id changed while the boot id came back',
  revoked: 'revoked by ada',
};

const cure = 'see its problems; on the host: safeguard status';
/** What is wrong with some of them, as the server sees it. */
const conditions = {
  degraded: [{ name: 'unprotected', what: reasons.degraded, cure }],
  silent: [{ name: 'silent', what: reasons.silent, cure }],
  cloned: [{ name: 'cloned', what: reasons.cloned, cure }],
};
const late = { name: 'clock', what: 'its clock is 94 seconds ahead of that of the server; its records carry its time', cure };

export const hosts = names.map((name, i) => ({
  id: uuid(i + 1),
  name,
  state: states[i],
  reason: reasons[states[i]] ?? null,
  cure: reasons[states[i]] ? cure : null,
  conditions: conditions[states[i]] ?? (name === 'db2' ? [late] : []),
  labels: { env: i % 3 ? 'prod' : 'test', role: name.replace(/[^a-z].*$/, '') || 'misc' },
  os: i % 4 === 3 ? 'openEuler 24.03 LTS' : 'Debian GNU/Linux 12 (bookworm)',
  kernel: i % 4 === 3 ? '6.6.0-28.0.0.34.oe2403' : '6.12.117-amd64',
  arch: i % 5 === 4 ? 'aarch64' : 'x86_64',
  version: '0.1.0',
  address: `192.0.2.${i + 10}`,
  boot_id: uuid(i + 100),
  certificate_expires: now + (20 - i) * 24 * HOUR,
  clock_ms: name === 'db2' ? 94_000 : 120,
  last_seen: now - (states[i] === 'silent' ? 42 * 60_000 : 1000 * (i + 2)),
  enrolled: now - (40 + i) * 24 * HOUR,
  bundle: { wanted: 'b1', applied: i === 3 ? 'b0' : 'b1', state: i === 3 ? 'failed' : i === 5 ? 'waiting' : 'applied', error: i === 3 ? 'this kernel has no hook for it' : null },
  defence: {
    state: name === 'web2' ? 'unlocked' : name === 'mail' ? 'off' : states[i] === 'revoked' ? 'unknown' : 'locked',
    until: name === 'web2' ? now + 9 * 60_000 : null,
    by: name === 'web2' ? "the server's command 7: kernel update" : null,
    attempts: name === 'web2' ? 3 : 0,
    repairs: 0,
    self_test: now - 120_000,
    failing: states[i] === 'degraded' ? 1 : 0,
  },
  denials_24h: Math.floor(random() * 40),
  cpu_permille: Math.floor(random() * 9),
  rss: 21_000_000 + Math.floor(random() * 6_000_000),
}));

const programs = ['/usr/bin/cat', '/usr/bin/python3.11', '/usr/sbin/nginx', '/usr/bin/vim.basic', '/tmp/.x\u001b[31mevil', '/usr/bin/rsync', '/usr/bin/tar'];
const paths = ['/etc/shadow', '/srv/www/html/index.php', '/root/.ssh/authorized_keys', '/etc/passwd', '/boot/grub/grub.cfg', '/srv/vault/\nkeys', '/etc/cron.d/backup'];
const rules = ['shadow', 'web-roots', 'ssh-keys', 'persistence', 'boot', 'credentials'];

function outcomeOf(r) {
  if (/did not prevent/.test(r.message ?? '')) return 'not-held';
  if (r.action_id === 2) return 'denied';
  if (r.disposition_id === 15) return 'would-deny';
  if (r.unmapped?.verdict === 'audit' || r.disposition_id === 17) return 'audited';
  return r.class_uid === 1001 ? 'audited' : 'other';
}

export function makeEvent(i, time) {
  const record = structuredClone(pick(golden));
  const host = pick(hosts.slice(0, 9));
  const program = pick(programs);
  const p = record.actor?.process;
  if (p?.file && random() < 0.8) {
    p.file.path = program;
    p.file.name = program.slice(program.lastIndexOf('/') + 1);
    p.name = p.file.name.slice(0, 15);
  }
  if (record.file && random() < 0.7) record.file.path = pick(paths);
  record.time = time;
  const rule = record.unmapped?.rule ? pick(rules) : null;
  if (rule) record.unmapped.rule = rule;
  record.message = record.message
    ?.replace(/^cat /, `${p?.name ?? '?'} `)
    .replace('/etc/shadow', record.file?.path ?? '/etc/shadow')
    .replace('rule shadow', `rule ${rule}`);
  return {
    id: `r${i}.${host.id.slice(0, 8)}`,
    host: host.id,
    host_name: host.name,
    time,
    received: time + 300 + Math.floor(random() * 900),
    class: record.class_uid ?? 0,
    activity: record.activity_id ?? 0,
    severity: record.severity_id ?? 1,
    outcome: outcomeOf(record),
    count: record.count ?? (random() < 0.1 ? 14 : 1),
    rule,
    policy: record.policy?.name ?? null,
    user: p?.user?.name ?? p?.user?.uid ?? null,
    program: p?.file?.path ?? null,
    path: record.file?.path ?? null,
    message: record.message ?? '',
    record,
    process_tree: [],
  };
}

export const events = [];
let at = now - 2000;
for (let i = 0; i < 3000; i++) {
  events.push(makeEvent(i, Math.floor(at)));
  at -= random() * 55_000 * (random() < 0.02 ? 20 : 1);
}

const policyFiles = readdirSync(`${root}policies`).filter((f) => f.endsWith('.yaml'));
export const policies = policyFiles.map((name, i) => {
  const text = readFileSync(`${root}policies/${name}`, 'utf8');
  const versions = [1, 2, 3].slice(0, 1 + (i % 3)).map((n) => ({
    version: n,
    author: pick(['otto', 'olga']),
    comment: n === 1 ? 'first version' : 'the backup may read it: it ran into the rule every night',
    created: now - (20 - n * 3) * 24 * HOUR,
    text: n === 1 + (i % 3) ? text : text.replace('mode: monitor', 'mode: monitor  # first').split('\n').slice(0, -6 * (3 - n)).join('\n'),
  }));
  const selected = i === 6 ? 3 : 9;
  return {
    policy: {
      name,
      version: versions.length,
      selector: i === 6 ? 'role=web' : '',
      author: versions[versions.length - 1].author,
      changed: versions[versions.length - 1].created,
      comment: versions[versions.length - 1].comment,
      rollout: null,
      hosts: { selected, applied: selected - (i === 1 ? 2 : 0), waiting: i === 1 ? 1 : 0, failed: i === 1 ? 1 : 0 },
    },
    text,
    versions,
  };
});

export const rollouts = [
  {
    id: '41',
    policy: policyFiles[1],
    version: 2,
    before: 1,
    stages: [
      { share: 10, mode: 'monitor' },
      { share: 100, mode: 'monitor' },
      { share: 10, mode: 'policy' },
      { share: 100, mode: 'policy' },
    ],
    stage: 1,
    state: 'running',
    by: 'olga',
    created: now - 26 * HOUR,
    changed: now - 3 * HOUR,
    hosts: { selected: 9, applied: 7, waiting: 1, failed: 1 },
    stopped: null,
  },
  { id: '12', policy: policyFiles[1], version: 1, before: null, stages: [{ share: 100, mode: 'monitor' }], stage: 1, state: 'done', by: 'otto', created: now - 300 * HOUR, changed: now - 200 * HOUR, hosts: { selected: 9, applied: 9, waiting: 0, failed: 0 }, stopped: null },
];
policies[1].policy.rollout = rollouts[0];

export const alerts = Array.from({ length: 38 }, (_, i) => {
  const e = events.filter((x) => x.rule)[i * 3];
  return {
    id: String(100 + i),
    title: e.message,
    status: i < 16 ? 'new' : i < 24 ? 'acknowledged' : i < 32 ? 'resolved' : 'false-positive',
    severity: [3, 4, 2, 3, 5][i % 5],
    class: e.class,
    outcome: e.outcome,
    host: e.host,
    host_name: e.host_name,
    rule: e.rule,
    policy: e.policy,
    program: e.program,
    user: e.user,
    path: e.path,
    count: i % 7 === 0 ? 1203 : 1 + (i % 9),
    first_seen: e.time - 9 * HOUR,
    last_seen: e.time,
    owner: i >= 16 ? 'olga' : null,
    comments: 1,
    condition: null,
    cure: null,
    event: e.id,
  };
});

const status = JSON.parse(readFileSync(`${root}tests/golden/cli/status-problems.json`, 'utf8'));

export function hostDetail(h) {
  const bad = h.state === 'degraded';
  return {
    host: h,
    health: status.hooks.map((k) => ({
      id: k.id,
      state: bad ? k.state : k.state === 'failed' ? 'proved' : k.state,
      attach: k.attach ?? null,
      proved_ms: k.proved_ms ? now - 48_000 : null,
      reason: bad ? (k.reason ?? null) : k.state === 'failed' ? null : (k.reason ?? null),
      cure: bad ? (k.cure ?? null) : null,
    })),
    problems: bad ? status.problems.map(({ what, cure }) => ({ what, cure })) : [],
    resources: status.resources,
    losses: bad ? status.losses : {},
    policies: policies.slice(0, 6).map((p, i) => ({ policy: p.policy.name, version: p.policy.version, mode: i ? 'policy' : 'monitor', state: i === 1 && bad ? 'failed' : 'applied' })),
    own_policies: h.name === 'web1' ? [{ file: '90-local.yaml', mode: 'monitor' }] : [],
    rivals:
      h.state === 'cloned'
        ? [1, 2].map((n) => ({ name: h.name, machine_id: '5afe', boot_id: uuid(n), address: `192.0.2.${n}`, first_seen: now - 9 * HOUR, last_seen: now - n * HOUR }))
        : [],
  };
}

// What hosts answer --------------------------------------------------------------------------------

function said(h) {
  const away = ['silent', 'cloned', 'revoked'].includes(h.state);
  return { state: away ? 'away' : 'answered', error: h.state === 'cloned' ? h.reason : null, cure: null, last_seen: h.last_seen, answered: away ? now - 42 * 60_000 : Date.now() };
}

const uid = (pid) => `${uuid(100)}:${pid}:${pid * 7}`;
const running = [
  [1, 0, 'systemd', '/sbin/init', 'root'], [2, 0, 'kthreadd', null, 'root'], [3, 2, 'rcu_gp', null, 'root'], [4, 2, 'kworker/0:0-events', null, 'root'],
  [411, 1, 'systemd-journal', '/lib/systemd/systemd-journald', 'root'], [650, 1, 'cron', '/usr/sbin/cron -f', 'root'], [700, 1, 'nginx', 'nginx: master process /usr/sbin/nginx -g daemon on; master_process on;', 'root'],
  [701, 700, 'nginx', 'nginx: worker process', 'www-data'], [702, 700, 'nginx', 'nginx: worker process', 'www-data'], [812, 1, 'sshd', 'sshd: /usr/sbin/sshd -D [listener]', 'root'],
  [2301, 812, 'sshd', 'sshd: ann [priv]', 'root'], [2310, 2301, 'bash', '-bash', 'ann'], [2401, 2310, 'python3', "python3 /srv/backup.py --to '/mnt/last backup'", 'root'],
  [2402, 2401, 'tar', 'tar --create --file /mnt/last-backup/etc.tar /etc', 'root'], [2499, 2310, '.x\u202egnp', '/tmp/.x/miner --pool 203.0.113.66', 'ann'],
  [900, 1, 'containerd-shim', '/usr/bin/containerd-shim-runc-v2 -namespace moby', 'root'], [910, 900, 'postgres', 'postgres -D /var/lib/postgresql/data', '999'], [911, 910, 'postgres', 'postgres: checkpointer', '999'], [912, 910, 'postgres', 'postgres: walwriter', '999'],
];

export function liveProcesses(h) {
  const nodes = running.map(([pid, parent, name, cmd, user]) => ({
    uid: uid(pid), parent: parent ? uid(parent) : null, pid, name, program: cmd ? `/usr/bin/${name}` : null, cmd_line: cmd, user, started: now - 5e7 + pid * 1000,
    login_user: pid >= 2310 && pid < 2500 ? 'ann' : null, session: pid >= 2310 && pid < 2500 ? 'ssh' : null, container: pid >= 910 && pid < 920 ? 'f1a2b3c4d5e6f7a8b9c0' : null,
    package: null, kernel_thread: cmd === null, deleted: pid === 2499, foreign: false,
  }));
  return { host: h.id, host_name: h.name, live: said(h), nodes, truncated: h.name === 'bastion' };
}

const delay = (n, mean) => ({ count: n, mean_ns: mean, p95_ns: mean * 6, max_ns: mean * 70 });

export function liveScheduling(h) {
  const rows = running.filter(([, , , cmd]) => cmd).map(([pid, , name, cmd, user], i) => {
    const cpu = i === 9 ? 962 : Math.floor(random() * 120);
    const wait = Math.floor(random() * 90);
    return {
      uid: uid(pid), pid, name, program: `/usr/bin/${name}`, cmd_line: cmd, user, container: null, cgroup: '/system.slice', ended: pid === 2402, cpu_permille: cpu, read_bytes: 0, written_bytes: 4096, rss_bytes: 4e7, threads: 1 + (pid % 7),
      sched: { switches: Math.floor(random() * 900), involuntary: 3, wait_permille: wait, delay: delay(40, 2000 + wait * 4000), off_permille: { sleep: Math.max(0, 980 - cpu - wait), io: i % 3 ? 0 : 12, lock: i % 5 ? 0 : 3, preempted: wait, stopped: 0, other: 0 } },
    };
  });
  const off = h.name === 'db1';
  return {
    host: h.id, host_name: h.name, live: said(h),
    use: {
      interval_ms: 2004, since_start: false, processes: 184, scheduling: !off, error: off ? 'the programs cannot be loaded: the kernel has no BTF' : null, cure: off ? 'a kernel with CONFIG_DEBUG_INFO_BTF' : null, cpus: 4, switches: 4310,
      delay: delay(8620, 11_000), slot_ns: 1024, delays: [1830, 3201, 2204, 990, 204, 98, 51, 22, 14, 4, 1, 1, 0, 0], uncounted: 0, rows: off ? rows.map((r) => ({ ...r, sched: null })) : rows,
    },
    scheduling: { rules: 2, processes: 14, groups: 2, stopped: 310, applied: 322, failed: h.name === 'web2' ? 4 : 0, continued_late: 0, not_stopped: 0, unbooked: 0, error: h.name === 'web2' ? '/sys/fs/cgroup/system.slice: the controller cpu is not on in it' : null, cure: h.name === 'web2' ? 'give the group domain controllers, or name the group in the rule' : null },
    rules: [
      { file: '/etc/safeguard/policies/70-batch.yaml', line: 12, weight: 20, quota_permille: 2500, cpus: null, io_weight: 50, nice: null, class: null, priority: null, io_class: null, named_groups: true, groups: ['/system.slice/batch.service'], own_group: null, processes: 0, serving_groups: 1 },
      { file: '/etc/safeguard/policies/70-batch.yaml', line: 13, weight: 30, quota_permille: null, cpus: '0-3', io_weight: null, nice: 10, class: 'batch', priority: null, io_class: 'idle', named_groups: false, groups: [], own_group: 'safeguard-9f2c1d7e0b3a4455', processes: 14, serving_groups: 1 },
    ],
  };
}

export function liveNetwork(h, what) {
  const now = Date.now();
  const off = h.name === 'db1';
  const flow = (over) => ({
    type: 'connect', ended: null, process: uid(2000), pid: 2000, program: '/usr/bin/curl', user: 'ann', container: null, protocol: 6, incoming: false, local: '10.0.0.7', local_port: 40000,
    remote: '93.184.216.34', remote_port: 443, name: 'www.example', peer_program: null, begin: now - 4000, end: null, bytes_out: 5000, bytes_in: 90_000, rtt_us: 11_250, retransmits: 0, error: null, ...over,
  });
  const edge = (program, over) => ({
    program, peer_program: null, name: null, peer: '10.0.0.9', port: 443, protocol: 6, incoming: false, flows: 4, failed: 0, bytes_out: 5000, bytes_in: 90_000, last: now - 9000, ...over,
  });
  const asked = (name, over) => ({ time: now - 4000, name, type: 'A', process: uid(2000), pid: 2000, program: '/usr/bin/curl', container: null, server: '127.0.0.53', rcode: 'NoError', duration_us: 12_400, answers: ['93.184.216.34'], ...over });
  const all = {
    flows: [
      flow({ type: 'listen', program: '/usr/sbin/nginx', pid: 812, user: 'root', local: '::', local_port: 443, remote: null, remote_port: 0, name: null, bytes_out: null, bytes_in: null, rtt_us: null }),
      flow({ type: 'accept', incoming: true, program: '/usr/sbin/nginx', pid: 813, user: 'www-data', container: '0f3a5c1d9e77', local_port: 443, remote: '2001:db8:77::19', remote_port: 51234, name: null, bytes_out: 5_200_000 + (now % 1e6), retransmits: 12 }),
      flow({}),
      flow({ program: '/usr/lib/postgresql/15/bin/postgres', pid: 901, local: '127.0.0.1', local_port: 5432, remote: '127.0.0.1', remote_port: 40112, incoming: true, name: null, peer_program: '/usr/bin/backup-agent', rtt_us: 35 }),
      flow({ ended: 'refused', end: now - 3000, program: '/usr/bin/psql', remote: '10.0.0.12', remote_port: 5432, name: 'db2.internal', bytes_out: 0, bytes_in: 0, rtt_us: null, error: 'ECONNREFUSED' }),
      flow({ ended: 'fin_by_us', end: now - 2000, bytes_in: 1_234_567 }),
    ],
    questions: [asked('www.example', {}), asked('www.example', { type: 'AAAA', answers: ['2606:2800:220:1:248:1893:25c8:1946'] }), asked('nowhere.example', { rcode: 'NXDomain', answers: [], time: now - 65_000 }), asked('silent.example', { rcode: null, answers: [], duration_us: null, time: now - 90_000 })],
    drops: [
      { reason: 'NO_SOCKET', place: 'tcp_v4_rcv+0x9a', protocol: 6, service: 23, packets: 12_345, bytes: 740_700, last: now - 200, source: '203.0.113.9', destination: '10.0.0.7' },
      { reason: 'NETFILTER_DROP', place: 'nf_hook_slow+0x8c', protocol: 17, service: 1024, packets: 7, bytes: 700, last: now - 120_000, source: '10.0.0.9', destination: '10.0.0.7' },
    ],
    edges: [
      edge('/usr/sbin/nginx', { incoming: true, peer: '203.0.113.9', flows: 811, bytes_out: 9e8 }), edge('/usr/sbin/nginx', { peer: '10.0.0.12', name: 'app.internal', port: 8080, flows: 640, bytes_in: 4e7 }),
      edge('/usr/bin/curl', { peer: '93.184.216.34', name: 'www.example' }), edge('/usr/bin/backup-agent', { peer: '127.0.0.1', peer_program: '/usr/lib/postgresql/15/bin/postgres', port: 5432, bytes_in: 7e9 }),
      edge('/usr/lib/postgresql/15/bin/postgres', { peer: '127.0.0.1', peer_program: '/usr/bin/backup-agent', port: 5432, incoming: true, bytes_out: 7e9 }), edge('/usr/bin/psql', { peer: '10.0.0.13', port: 5432, flows: 3, failed: 3, bytes_in: 0, bytes_out: 0 }),
      edge('/usr/sbin/sshd', { incoming: true, peer: '2001:db8:77::19', port: 22, flows: 9 }), edge('/usr/bin/apt', { peer: '151.101.2.132', name: 'mirror.internal', port: 80, bytes_in: 3e8 }),
    ],
  };
  const key = { flows: 'flows', dns: 'questions', drops: 'drops', map: 'edges' }[what];
  return {
    host: h.id, host_name: h.name, live: said(h), answered: true, looks: !off, error: off ? 'the setting `flows` is off' : null, cure: off ? 'flows: on in agent.yaml, and start the agent anew' : null, more: 0,
    flows: [], questions: [], drops: [], edges: [], ...(off ? {} : { [key]: all[key] }),
  };
}

export function liveDefence(h) {
  const live = said(h);
  const { self_test: full, failing, ...state } = h.defence;
  return {
    host: h.id, host_name: h.name, live,
    defence: { ...state, secret: h.name !== 'web3', programs: 9, missing: null, refused: state.attempts, self_test: { full, quick: Date.now() - 3000, rounds: 41, quick_rounds: 2400, quick_failed: failing, failing, error: null, cure: null } },
  };
}
