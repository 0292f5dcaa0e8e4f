// SPDX-License-Identifier: Apache-2.0
//
// Logging in: by password, or by the one-time code in the fragment (/#once=CODE), which browsers do not
// send to servers or keep in logs.

import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, logIn, logOut, session } from '../api/client.ts';
import { t } from '../i18n/index.ts';
import { Button, Field, useAction } from '../parts/controls.tsx';
import { Mark } from '../parts/icons.tsx';
import { Failure } from '../parts/states.tsx';
import { LangSwitch, ThemeSwitch } from '../parts/switches.tsx';

/** The code, once: it is taken out of the address bar. */
export function takeCode(): string | null {
  const m = /^#once=([\w.-]{8,200})$/.exec(location.hash);
  if (!m) return null;
  // It works once, but it need not stay in the history either.
  history.replaceState(null, '', location.pathname + location.search);
  return m[1] ?? null;
}

function Wrong() {
  return (
    <div class="failure" role="alert">
      <p class="failure-what">{t('login.wrong')}</p>
      <p>{t('login.wrongCure')}</p>
    </div>
  );
}

export function LoginForm({ user: known, ended }: { user?: string; ended?: boolean }) {
  const [user, setUser] = useState(known ?? '');
  const [password, setPassword] = useState('');
  const action = useAction();
  const first = useRef<HTMLDivElement>(null);
  useEffect(() => {
    first.current?.querySelector<HTMLInputElement>(known ? 'input[type=password]' : 'input')?.focus();
  }, []);
  const onSubmit = async (e: Event) => {
    e.preventDefault();
    if (!(await action.run(() => logIn(user, password)))) setPassword('');
  };
  const refused = action.error instanceof ApiError && action.error.status === 401;
  return (
    <form class="form" onSubmit={onSubmit}>
      {ended && <p>{t('login.expired')}</p>}
      <div ref={first} class="form">
        <Field
          label={t('login.user')}
          name="username"
          autocomplete="username"
          autocapitalize="none"
          spellcheck={false}
          required
          value={user}
          readOnly={Boolean(known)}
          onInput={(e) => setUser(e.currentTarget.value)}
        />
        <Field
          label={t('login.password')}
          name="password"
          type="password"
          autocomplete="current-password"
          required
          value={password}
          onInput={(e) => setPassword(e.currentTarget.value)}
        />
      </div>
      {refused && <Wrong />}
      {action.error && !refused && <Failure error={action.error} />}
      <div class="form-end">
        {ended && (
          <Button kind="quiet" onClick={() => void logOut().catch(() => session.set(false))}>
            {t('login.other')}
          </Button>
        )}
        <Button type="submit" kind="main" disabled={action.busy || !user || !password}>
          {t('login.go')}
        </Button>
      </div>
    </form>
  );
}

/** `refused`: a one-time code did not work. */
export function LoginPage({ refused }: { refused: boolean }) {
  return (
    <main class="login" id="main">
      <div class="login-box">
        <header class="login-head">
          <Mark />
          <div>
            <h1>{t('app.name')}</h1>
            <p>{t('login.lead')}</p>
          </div>
        </header>
        {refused && (
          <div class="failure" role="alert">
            <p>{t('login.onceFailed')}</p>
          </div>
        )}
        <LoginForm />
        <footer class="login-foot">
          <LangSwitch />
          <ThemeSwitch />
        </footer>
      </div>
    </main>
  );
}
