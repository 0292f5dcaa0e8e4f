// SPDX-License-Identifier: Apache-2.0
//
// The search box, the range of time and the chips of the filters.

import { useEffect, useState } from 'preact/hooks';
import { ApiError } from '../api/client.ts';
import { t } from '../i18n/index.ts';
import { canExclude, chips, empty, FIELDS, isNarrowed, parseSearch, withValue, without, type Field as FilterField, type Filters } from '../lib/filters.ts';
import { CLASSES, classKey, outcomeKey, outcomeOf, OUTCOMES, severityKey } from '../lib/ocsf.ts';
import { useStore } from '../lib/store.ts';
import { absolute, parseTime } from '../lib/time.ts';
import { Button, Field, Segments, Select, useAction } from '../parts/controls.tsx';
import { Icon } from '../parts/icons.tsx';
import { FormDialog } from '../parts/overlay.tsx';
import { SearchBox } from '../parts/search.tsx';
import { Failure } from '../parts/states.tsx';
import { Raw } from '../parts/text.tsx';
import { hostNames, learnHost, withHostIds } from './hostnames.ts';

/** A value as people read it: numbers of OCSF have names. */
export function valueText(field: FilterField, value: string): string {
  if (field === 'host') return hostNames.get().get(value) ?? value;
  if (field === 'outcome') return t(outcomeKey[outcomeOf(value)]);
  if (field === 'severity') return `≥ ${t(severityKey(Number(value)))}`;
  if (field === 'class') return t(classKey(Number(value)));
  return value;
}

const ranges = ['-1h', '-24h', '-7d', '-30d'] as const;
type Range = (typeof ranges)[number] | 'custom';

function toLocal(text: string, now: number): string {
  return absolute(parseTime(text, now) ?? now).replace(' ', 'T').slice(0, 16);
}

function RangeDialog({ filters, set, onClose }: { filters: Filters; set: (f: Filters) => void; onClose: () => void }) {
  const now = Date.now();
  const [from, setFrom] = useState(toLocal(filters.from, now));
  const [to, setTo] = useState(toLocal(filters.to, now));
  const bad = !from || !to || Date.parse(from) >= Date.parse(to);
  return (
    <FormDialog
      title={t('records.range')}
      go={t('ui.search')}
      disabled={bad}
      onClose={onClose}
      onGo={async () => set({ ...filters, from: new Date(from).toISOString(), to: new Date(to).toISOString() })}
    >
      <Field label={t('records.from')} type="datetime-local" value={from} onInput={(e) => setFrom(e.currentTarget.value)} />
      <Field label={t('records.to')} type="datetime-local" value={to} onInput={(e) => setTo(e.currentTarget.value)} />
    </FormDialog>
  );
}

const choices: Partial<Record<FilterField, () => [string, string][]>> = {
  outcome: () => OUTCOMES.map((o) => [o, t(outcomeKey[o])]),
  severity: () => ['1', '2', '3', '4', '5', '6'].map((n) => [n, t(severityKey(Number(n)))]),
  class: () => CLASSES.map(([n, key]) => [String(n), t(key)]),
};

function AddDialog({ filters, set, onClose }: { filters: Filters; set: (f: Filters) => void; onClose: () => void }) {
  const [field, setField] = useState<FilterField>('outcome');
  const [value, setValue] = useState('denied');
  const [not, setNot] = useState(false);
  const list = choices[field]?.();
  const choose = (f: FilterField) => {
    setField(f);
    setValue(choices[f]?.()[0]?.[0] ?? '');
  };
  return (
    <FormDialog
      title={t('records.add')}
      go={t('records.add')}
      disabled={!value.trim()}
      onClose={onClose}
      onGo={async () => {
        const { filters: f, missing } = await withHostIds(withValue(filters, not && canExclude(field) ? 'not' : 'only', field, value.trim()));
        if (missing !== null) throw noHost(missing);
        set(f);
      }}
    >
      <Select label={t('records.addField')} value={field} onValue={choose} options={FIELDS.map((f) => [f, t(`field.${f}`)] as const)} />
      {list ? (
        <Select label={t('records.addValue')} value={value} onValue={setValue} options={list} />
      ) : (
        <Field label={t('records.addValue')} value={value} onInput={(e) => setValue(e.currentTarget.value)} />
      )}
      {canExclude(field) && (
        <label class="check">
          <input type="checkbox" checked={not} onChange={(e) => setNot(e.currentTarget.checked)} />
          {t('records.addNot')}
        </label>
      )}
    </FormDialog>
  );
}

function noHost(name: string): ApiError {
  return new ApiError(404, { code: 'no-host', what: t('records.noHost', { name }), cure: t('records.noHostCure') });
}

export function FilterBar({ filters, set, noRange }: { filters: Filters; set: (f: Filters) => void; noRange: boolean }) {
  const [asks, setAsks] = useState<'' | 'range' | 'add'>('');
  const action = useAction();
  const known = ranges.find((r) => r === filters.from && !filters.to);
  const range: Range = known ?? 'custom';
  const search = async (text: string) => {
    let left: string | undefined;
    await action.run(async () => {
      const { filters: f, missing } = await withHostIds(parseSearch(text, filters));
      if (missing !== null) throw noHost(missing);
      left = f.q;
      set(f);
    });
    return left;
  };
  useStore(hostNames);
  useEffect(() => {
    for (const id of [...(filters.only.host ?? []), ...(filters.not.host ?? [])]) learnHost(id).catch(() => undefined);
  }, [filters.only.host?.join(), filters.not.host?.join()]);
  return (
    <div class="filterbar">
      <SearchBox label={t('records.search')} hint={t('records.searchHint')} text={filters.q} onSearch={search} />
      {!noRange && (
        <Segments
          label={t('records.range')}
          value={range}
          onValue={(v: Range) => (v === 'custom' ? setAsks('range') : set({ ...filters, from: v, to: '' }))}
          options={[
            ['-1h', t('records.range1h')],
            ['-24h', t('records.range24h')],
            ['-7d', t('records.range7d')],
            ['-30d', t('records.range30d')],
            [
              'custom',
              range === 'custom'
                ? `${toLocal(filters.from, Date.now()).replace('T', ' ').slice(5)} – ${toLocal(filters.to, Date.now()).replace('T', ' ').slice(5)}`
                : t('records.rangeCustom'),
            ],
          ]}
        />
      )}
      <div class="chips">
        {chips(filters).map((c) => {
          const shown = valueText(c.field, c.value);
          return (
            <button
              type="button"
              key={`${c.kind}${c.field}${c.value}`}
              class={`chip chip-${c.kind}`}
              title={t('records.chipRemove')}
              onClick={() => set(without(filters, c.kind, c.field, c.value))}
            >
              <span class="chip-field">
                {c.kind === 'not' && `${t('records.not')} `}
                {t(`field.${c.field}`)}
              </span>
              <Raw text={shown} max={60} />
              <span class="sr">, {t('records.chipRemove')}</span>
              <Icon name="close" />
            </button>
          );
        })}
        <Button small kind="quiet" icon="enrol" onClick={() => setAsks('add')}>
          {t('records.add')}
        </Button>
        {isNarrowed(filters) && (
          <Button small kind="quiet" onClick={() => set({ ...empty(), from: filters.from, to: filters.to })}>
            {t('records.clear')}
          </Button>
        )}
      </div>
      {action.error && <Failure error={action.error} />}
      {asks === 'range' && <RangeDialog filters={filters} set={set} onClose={() => setAsks('')} />}
      {asks === 'add' && <AddDialog filters={filters} set={set} onClose={() => setAsks('')} />}
    </div>
  );
}
