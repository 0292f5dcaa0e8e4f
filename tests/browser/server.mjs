// SPDX-License-Identifier: Apache-2.0
//
// A server of a part's own, with people of some roles: for parts that fill it with hosts themselves. tests/browser/run ends it.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { PASSWORD } from './pages.mjs';

const { SERVER, DIR, LOGS } = process.env;

const answers = (port) =>
  new Promise((resolve) => {
    const c = connect(port, '127.0.0.1', () => (c.destroy(), resolve(true)));
    c.on('error', () => resolve(false));
  });

/** Starts it and waits until it listens. `name` is that of its directory, log and pid file; each role has a user u-ROLE. */
export async function ownServer(name, roles) {
  const port = await new Promise((resolve) => {
    const s = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = s.address();
      s.close(() => resolve(free));
    });
  });
  const url = `https://127.0.0.1:${port}`;
  const data = `${DIR}/${name}`;
  for (const d of ['', '/run', '/hosts']) mkdirSync(data + d);
  const where = ['--data-dir', data, '--run-dir', `${data}/run`];
  const command = (args, input = '') => execFileSync(SERVER, [...where, ...args], { input, encoding: 'utf8', timeout: 30_000 });

  const log = openSync(`${LOGS}/${name}-server.log`, 'w');
  const server = spawn(SERVER, [...where, '--address', '127.0.0.1', '--port', String(port), '--url', url, '--names', 'localhost,127.0.0.1', '--ui-dir', `${process.cwd()}/ui/dist`], {
    stdio: ['ignore', log, log],
  });
  writeFileSync(`${DIR}/${name}.pid`, String(server.pid));
  for (let i = 0; i < 300; i++) {
    if (await answers(port)) break;
    await new Promise((r) => setTimeout(r, 50));
  }
  for (const role of roles) command(['user', 'add', `u-${role}`, '--role', role], `${PASSWORD}\n${PASSWORD}\n`);
  return { port, url, data, command, log, server };
}
