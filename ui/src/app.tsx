// SPDX-License-Identifier: Apache-2.0
//
// The frame: who is logged in, the navigation, the page of the address, and what lies over all of them.

import { Component, type ComponentChildren, type FunctionComponent } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ApiError, api, expired, logInOnce, logOut, offline, resume, session } from './api/client.ts';
import { asError, useData } from './api/data.ts';
import type { HostCounts, Session } from './api/types.ts';
import { lang, t, type Key } from './i18n/index.ts';
import { useStore } from './lib/store.ts';
import { Button, Field, Notices, notify } from './parts/controls.tsx';
import { Icon, Mark, type IconName } from './parts/icons.tsx';
import { focusSearch, moveInList, useKeys } from './parts/keys.ts';
import { Dialog, FormDialog } from './parts/overlay.tsx';
import { Empty, Failure, Loading } from './parts/states.tsx';
import { LangSwitch, ThemeSwitch } from './parts/switches.tsx';
import { may, type Power } from './pages/access.ts';
import { AlertsPage } from './pages/alerts.tsx';
import { AuditPage } from './pages/audit.tsx';
import { ChannelsPage } from './pages/channels.tsx';
import { EnrolPage } from './pages/enrol.tsx';
import { PageHead } from './pages/frame.tsx';
import { Help } from './pages/help.tsx';
import { HostPage } from './pages/host.tsx';
import { HostsPage } from './pages/hosts.tsx';
import { LoginForm, LoginPage, takeCode } from './pages/login.tsx';
import { NetworkPage } from './pages/network.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { PoliciesPage } from './pages/policies.tsx';
import { ProcessPage } from './pages/process.tsx';
import { ProcessesPage } from './pages/processes.tsx';
import { RecordsPage } from './pages/records.tsx';
import { SchedulingPage } from './pages/scheduling.tsx';
import { ServerPage } from './pages/server.tsx';
import { SettingsPage } from './pages/settings.tsx';
import { TokensPage } from './pages/tokens.tsx';
import { UsersPage } from './pages/users.tsx';
import { go, usePlace } from './router.ts';

interface Entry {
  path: string;
  key: Key;
  icon: IconName;
  page: FunctionComponent;
  powers: Power[];
  group: 'work' | 'manage';
}

const all: Power[] = ['view', 'operate', 'administer', 'audit'];
const entries: Entry[] = [
  { path: '/', key: 'nav.overview', icon: 'overview', page: OverviewPage, powers: all, group: 'work' },
  { path: '/records', key: 'nav.records', icon: 'records', page: RecordsPage, powers: ['view'], group: 'work' },
  { path: '/alerts', key: 'nav.alerts', icon: 'alerts', page: AlertsPage, powers: ['view'], group: 'work' },
  { path: '/hosts', key: 'nav.hosts', icon: 'hosts', page: HostsPage, powers: all, group: 'work' },
  { path: '/network', key: 'nav.network', icon: 'network', page: NetworkPage, powers: ['view'], group: 'work' },
  { path: '/policies', key: 'nav.policies', icon: 'policies', page: PoliciesPage, powers: ['view'], group: 'work' },
  { path: '/users', key: 'nav.users', icon: 'users', page: UsersPage, powers: ['administer', 'audit'], group: 'manage' },
  { path: '/tokens', key: 'nav.tokens', icon: 'tokens', page: TokensPage, powers: all, group: 'manage' },
  { path: '/enrol', key: 'nav.enrol', icon: 'enrol', page: EnrolPage, powers: ['administer', 'audit'], group: 'manage' },
  { path: '/audit', key: 'nav.audit', icon: 'audit', page: AuditPage, powers: ['audit'], group: 'manage' },
  { path: '/channels', key: 'nav.channels', icon: 'channels', page: ChannelsPage, powers: ['administer', 'audit'], group: 'manage' },
  { path: '/settings', key: 'nav.settings', icon: 'settings', page: SettingsPage, powers: ['administer', 'audit'], group: 'manage' },
  { path: '/server', key: 'nav.server', icon: 'server', page: ServerPage, powers: ['administer', 'audit'], group: 'manage' },
];

const letters: Record<string, string> = { o: '/', r: '/records', a: '/alerts', h: '/hosts', n: '/network', p: '/policies' };

/** A page that fails does not take the frame with it. */
class Guard extends Component<{ children: ComponentChildren; place: string }, { error: unknown; place: string }> {
  override state = { error: null as unknown, place: '' };

  static override getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidUpdate(before: { place: string }) {
    if (before.place !== this.props.place && this.state.error) this.setState({ error: null });
  }

  override render() {
    if (!this.state.error) return this.props.children;
    return <Failure error={asError(this.state.error)} retry={() => location.reload()} />;
  }
}

/** The fleet in one line, over every page: how much of it protects itself. */
function FleetStrip() {
  // An agent that does not speak any more, or a host that does not enforce, is known to the server within some 8 s, and here within 10.
  const data = useData('strip', (signal) => api.get<HostCounts>('fleet', undefined, signal), 2000);
  const h = data.value;
  if (!h || !h.total) return <div class="strip" />;
  const other = h.cloned + h.revoked;
  const parts: [string, number][] = [
    ['ok', h.ok],
    ['degraded', h.degraded],
    ['silent', h.silent],
    ['other', other],
  ];
  const text = t('overview.health', { ok: h.ok, degraded: h.degraded, silent: h.silent, other });
  return (
    <nav aria-label={t('nav.hosts')}>
      <a class="strip" href="/hosts" aria-label={text} title={text}>
        {parts.map(([name, n]) => (n > 0 ? <span class={`strip-${name}`} style={{ flexGrow: String(n) }} /> : null))}
      </a>
    </nav>
  );
}

function PasswordDialog({ onClose }: { onClose: () => void }) {
  const [old, setOld] = useState('');
  const [fresh, setFresh] = useState('');
  return (
    <FormDialog
      title={t('account.password')}
      go={t('ui.save')}
      disabled={!old || fresh.length < 12}
      onClose={onClose}
      onGo={async () => {
        await api.post('session/password', { old, new: fresh });
        // The session may be a new one now, with another CSRF word.
        await resume();
        notify(t('account.changed'));
      }}
    >
      <Field label={t('account.old')} type="password" autocomplete="current-password" value={old} onInput={(e) => setOld(e.currentTarget.value)} />
      <Field label={t('account.new')} type="password" autocomplete="new-password" minLength={12} value={fresh} onInput={(e) => setFresh(e.currentTarget.value)} />
    </FormDialog>
  );
}

function NavLinks({ path, onGo }: { path: string; onGo?: () => void }) {
  const shown = entries.filter((e) => e.powers.some(may));
  const isHere = (e: Entry) => (e.path === '/' ? path === '/' : path === e.path || path.startsWith(`${e.path}/`));
  const group = (name: Entry['group']) =>
    shown
      .filter((e) => e.group === name)
      .map((e) => (
        <li key={e.path}>
          <a href={e.path} aria-current={isHere(e) ? 'page' : undefined} onClick={onGo}>
            <Icon name={e.icon} />
            {t(e.key)}
          </a>
        </li>
      ));
  return (
    <>
      <ul>{group('work')}</ul>
      <h2 class="nav-head">{t('nav.manage')}</h2>
      <ul>{group('manage')}</ul>
    </>
  );
}

function Account({ user, roles }: Session) {
  const [asks, setAsks] = useState(false);
  return (
    <div class="account">
      <div class="account-who">
        <b>{user}</b>
        <span class="faint">{roles.map((r) => t(`role.${r}`)).join(', ')}</span>
      </div>
      <div class="account-do">
        <LangSwitch />
        <ThemeSwitch />
        <Button kind="quiet" small icon="settings" label={t('account.password')} onClick={() => setAsks(true)} />
        <Button kind="quiet" small onClick={() => void logOut().catch(() => session.set(false))}>
          {t('account.logout')}
        </Button>
      </div>
      {asks && <PasswordDialog onClose={() => setAsks(false)} />}
    </div>
  );
}

function PhoneBar({ path, onMenu }: { path: string; onMenu: () => void }) {
  const shown = entries.filter((e) => e.group === 'work' && e.powers.some(may)).slice(0, 4);
  return (
    <nav class="phone-bar" aria-label={t('app.nav')}>
      {shown.map((e) => (
        <a key={e.path} href={e.path} aria-current={path === e.path ? 'page' : undefined}>
          <Icon name={e.icon} />
          {t(e.key)}
        </a>
      ))}
      <button type="button" onClick={onMenu}>
        <Icon name="menu" />
        {t('app.menu')}
      </button>
    </nav>
  );
}

function useShellKeys(onHelp: () => void): void {
  const [since, setSince] = useState(0);
  const keys: Record<string, () => void> = {
    '?': onHelp,
    '/': focusSearch,
    j: () => moveInList(1),
    k: () => moveInList(-1),
    g: () => setSince(Date.now()),
  };
  // The letter behind g, within a second and a half; else it belongs to the page.
  const waiting = Date.now() - since < 1500;
  if (waiting)
    for (const [letter, path] of Object.entries(letters))
      keys[letter] = () => {
        setSince(0);
        go(path);
      };
  useKeys(keys, 0);
}

/** A part of the address; somebody may have typed it. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function Page({ path }: { path: string }) {
  const host = /^\/hosts\/([^/]+)$/.exec(path);
  if (host) return <HostPage id={decoded(host[1] as string)} />;
  const procs = /^\/hosts\/([^/]+)\/processes(?:\/([^/]+))?$/.exec(path);
  if (procs && may('view')) {
    const id = decoded(procs[1] as string);
    return procs[2] ? <ProcessPage key={path} host={id} uid={decoded(procs[2])} /> : <ProcessesPage key={id} host={id} />;
  }
  const scheduling = /^\/hosts\/([^/]+)\/scheduling$/.exec(path);
  if (scheduling && may('view')) return <SchedulingPage key={path} host={decoded(scheduling[1] as string)} />;
  const entry = entries.find((e) => e.path === path);
  useEffect(() => {
    document.title = entry ? `${t(entry.key)} · safeguard` : 'safeguard';
  });
  if (!entry)
    return (
      <>
        <PageHead title={t('app.notFound')} />
        <Empty what={t('app.notFoundCure')}>
          <a href="/">{t('nav.overview')}</a>
        </Empty>
      </>
    );
  if (!entry.powers.some(may))
    return (
      <>
        <PageHead title={t(entry.key)} />
        <Failure error={new ApiError(403, { what: '', code: 'forbidden' })} />
      </>
    );
  const Body = entry.page;
  return <Body />;
}

function Shell({ who }: { who: Session }) {
  const { path } = usePlace();
  const gone = useStore(expired);
  const away = useStore(offline);
  const [help, setHelp] = useState(false);
  const [menu, setMenu] = useState(false);
  useShellKeys(() => setHelp(true));
  return (
    <div class="shell">
      <header class="rail">
        <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), document.getElementById('main')?.focus())}>
          {t('app.skip')}
        </a>
        <a class="brand" href="/">
          <Mark />
          {t('app.name')}
        </a>
        <nav aria-label={t('app.nav')} class="rail-nav">
          <NavLinks path={path} />
        </nav>
        <Account {...who} />
      </header>
      <div class="stage">
        <FleetStrip />
        {away && (
          <p class="banner" role="alert">
            {t('app.offline')}
          </p>
        )}
        <main id="main" tabIndex={-1}>
          <Guard place={path}>
            <Page path={path} key={path} />
          </Guard>
        </main>
      </div>
      <PhoneBar path={path} onMenu={() => setMenu(true)} />
      <Notices />
      {menu && (
        <Dialog title={t('app.menu')} onClose={() => setMenu(false)}>
          <div class="menu">
            <NavLinks path={path} onGo={() => setMenu(false)} />
            <Account {...who} />
          </div>
        </Dialog>
      )}
      {help && <Help onClose={() => setHelp(false)} />}
      {gone && (
        <Dialog title={t('login.title')} onClose={() => undefined} stays>
          <LoginForm user={who.user} ended />
        </Dialog>
      )}
    </div>
  );
}

async function worked(promise: Promise<void>): Promise<boolean> {
  try {
    await promise;
    return true;
  } catch {
    return false;
  }
}

export function App() {
  const who = useStore(session);
  const language = useStore(lang);
  const [error, setError] = useState<ApiError | null>(null);
  const [code, setCode] = useState<'' | 'trying' | 'refused'>('');
  const start = async () => {
    setError(null);
    const once = takeCode();
    try {
      if (once) {
        setCode('trying');
        // Whoever has a fresh code wants to be its user, also when somebody else is logged in.
        if (await worked(logInOnce(once))) return setCode('');
        setCode('refused');
      }
      await resume();
    } catch (e) {
      setError(asError(e));
    }
  };
  useEffect(() => {
    void start();
    // A link with a code, opened in a tab that is here already, changes the fragment alone.
    const onHash = () => location.hash.startsWith('#once=') && void start();
    window.addEventListener('hashchange', onHash);
    return () => window.removeEventListener('hashchange', onHash);
  }, []);
  useEffect(() => {
    if (who) setCode('');
  }, [who]);
  useEffect(() => {
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  }, [language]);
  if (error && who === null)
    return (
      <main class="login" id="main">
        <div class="login-box">
          <Failure error={error} retry={() => void start()} />
        </div>
      </main>
    );
  if (who === null)
    return (
      <main class="login" id="main">
        <div class="login-box">
          <p>{t(code === 'trying' ? 'login.once' : 'app.starting')}</p>
          <Loading lines={2} />
        </div>
      </main>
    );
  if (who === false) return <LoginPage refused={code === 'refused'} />;
  return <Shell who={who} />;
}
