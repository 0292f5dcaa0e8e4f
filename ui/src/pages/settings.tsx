// SPDX-License-Identifier: Apache-2.0
//
// Settings of the server that can be changed while it runs.

import { useLayoutEffect, useState } from 'preact/hooks';
import { api } from '../api/client.ts';
import { useData } from '../api/data.ts';
import type { Setting } from '../api/types.ts';
import type { Page } from '../api/ui.ts';
import { t, tOr } from '../i18n/index.ts';
import { valueOf, written } from '../lib/setting.ts';
import { plain } from '../lib/text.ts';
import { Button, Field, notify, Select, useAction } from '../parts/controls.tsx';
import { Empty, Failure, Show } from '../parts/states.tsx';
import { may } from './access.ts';
import { PageHead } from './frame.tsx';

type Value = string | number | boolean;

function SettingRow({ s, onSaved }: { s: Setting; onSaved: () => void }) {
  const [text, setText] = useState(written(s.type, s.value));
  const action = useAction();
  const changed = text !== written(s.type, s.value);
  // What was saved comes back in the form that the server gives it; at once, so that nothing typed since is lost.
  useLayoutEffect(() => setText(written(s.type, s.value)), [s.value]);
  const save = (value: Value | null) =>
    action.run(async () => {
      await api.patch('settings', { set: { [s.key]: value } });
      notify(t('settings.saved'));
      onSaved();
    });
  const label = plain(s.key);
  return (
    <form
      class="setting"
      onSubmit={(e) => {
        e.preventDefault();
        if (changed) void save(valueOf(s.type, text));
      }}
    >
      {s.type === 'bool' ? (
        <Select
          label={label}
          value={text}
          disabled={!may('administer')}
          onValue={setText}
          options={[
            ['true', t('ui.yes')],
            ['false', t('ui.no')],
          ]}
        />
      ) : (
        <Field
          label={label}
          value={text}
          readOnly={!may('administer')}
          onInput={(e) => setText(e.currentTarget.value)}
        />
      )}
      <div class="setting-help">
        <p>{tOr(`setting.${s.key}`, plain(s.help))}</p>
        <p class="faint">
          {t('settings.default', { value: s.type === 'bool' ? t(s.default ? 'ui.yes' : 'ui.no') : written(s.type, s.default) })}
        </p>
      </div>
      <div class="setting-do">
        {may('administer') && changed && (
          <Button type="submit" kind="main" small disabled={action.busy}>
            {t('ui.save')}
          </Button>
        )}
        {may('administer') && s.value !== s.default && !changed && (
          <Button small kind="quiet" disabled={action.busy} onClick={() => void save(null)}>
            {t('settings.reset')}
          </Button>
        )}
      </div>
      {action.error && <Failure error={action.error} />}
    </form>
  );
}

export function SettingsPage() {
  const data = useData('settings', (signal) => api.get<Page<Setting>>('settings', undefined, signal));
  return (
    <>
      <PageHead title={t('settings.title')} />
      <Show data={data} lines={8}>
        {({ items }) =>
          items.length ? (
            <div class="settings">
              {items.map((s) => (
                <SettingRow key={s.key} s={s} onSaved={data.reload} />
              ))}
            </div>
          ) : (
            <Empty what={t('settings.empty')} />
          )
        }
      </Show>
    </>
  );
}
