// SPDX-License-Identifier: Apache-2.0
//
// Language and colours, both kept for the next visit.

import { lang, setLang, t } from '../i18n/index.ts';
import { useStore } from '../lib/store.ts';
import { Button } from './controls.tsx';
import { setTheme, theme, type Theme } from './theme.ts';

export function LangSwitch() {
  const now = useStore(lang);
  return (
    <Button kind="quiet" small label={t('lang.switchLabel')} onClick={() => setLang(now === 'en' ? 'zh' : 'en')}>
      <span lang={now === 'en' ? 'zh' : 'en'}>{t('lang.switch')}</span>
    </Button>
  );
}

const next: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };

export function ThemeSwitch() {
  const now = useStore(theme);
  return (
    <Button
      kind="quiet"
      small
      icon="theme"
      label={t('theme.label', { mode: t(`theme.${now}`) })}
      onClick={() => setTheme(next[now])}
    />
  );
}
