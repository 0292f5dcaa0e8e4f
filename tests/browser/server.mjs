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

/**
 * A program that tests/browser/run ends when this part has not; what it says goes to the
 * descriptor `log`. With `input` "pipe" its input and output are pipes.
 */
export function start(name, program, args, log, input = 'ignore') {
  const child = spawn(program, args, { stdio: [input, input === 'pipe' ? 'pipe' : log, log] });
  writeFileSync(`${DIR}/${name}.pid`, String(child.pid));
  return child;
}

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
  const to = ['--address', '127.0.0.1', '--port', String(port), '--url', url, '--names', 'localhost,127.0.0.1', '--ui-dir', `${process.cwd()}/ui/dist`];
  /** Starts it, also once more after it was killed, and waits until it listens. */
  const serve = async () => {
    const server = start(name, SERVER, [...where, ...to], log);
    for (let i = 0; i < 300 && !(await answers(port)); i++) {
      if (server.exitCode !== null) break;
      await new Promise((r) => setTimeout(r, 50));
    }
    if (!(await answers(port))) throw new Error(`the server does not answer: ${LOGS}/${name}-server.log`);
    return server;
  };
  const server = await serve();
  for (const role of roles) command(['user', 'add', `u-${role}`, '--role', role], `${PASSWORD}\n${PASSWORD}\n`);
  return { port, url, data, command, log, server, serve };
}
