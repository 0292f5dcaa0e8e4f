// SPDX-License-Identifier: Apache-2.0
//
// How old what is shown is, why there is nothing newer, and asking again.

import type { LiveAnswer } from '../api/types.ts';
import { t } from '../i18n/index.ts';
import { Button } from '../parts/controls.tsx';
import { Ago, At, Raw } from '../parts/text.tsx';

/** What a host says is wrong, and what to do. */
export function Told({ error, cure }: { error: string | null; cure: string | null }) {
  return (
    <>
      {error && (
        <p>
          <Raw text={error} max={600} />
        </p>
      )}
      {cure && (
        <p>
          <b>{t('ui.cure')}:</b> <Raw text={cure} max={600} />
        </p>
      )}
    </>
  );
}

/** What a host says of itself may be in its own words. */
function Why({ live }: { live: LiveAnswer }) {
  if (live.state === 'answered') return null;
  return (
    <div class="banner live-why" role="status">
      <p>
        <strong>{t(`live.${live.state}`)}</strong>{' '}
        {live.state === 'away' && (
          <>
            {t('live.awaySeen')} <Ago ms={live.last_seen} />.
          </>
        )}
        {live.state === 'late' && t('live.lateCure')}
      </p>
      <Told {...live} />
      <p>
        {live.answered === null ? (
          t('live.none')
        ) : (
          <>
            {t('live.old')} <At ms={live.answered} full />.
          </>
        )}
      </p>
    </div>
  );
}

export function LiveSays(props: { live: LiveAnswer; loading: boolean; every: number; paused: boolean; onPause: (on: boolean) => void; onAgain: () => void }) {
  const { live } = props;
  return (
    <>
      <Why live={live} />
      <div class="live-says">
        <span>
          <span class={props.paused || live.state !== 'answered' ? 'pulse pulse-off' : 'pulse'} aria-hidden="true" />
          {t('live.answered')} <Ago ms={live.answered} />
          <span class="faint">
            {' · '}
            {props.paused ? t('live.paused') : t('live.every', { time: `${props.every / 1000} s` })}
          </span>
        </span>
        <Button small kind="quiet" onClick={() => props.onPause(!props.paused)}>
          {t(props.paused ? 'live.go' : 'live.pause')}
        </Button>
        <Button small kind="quiet" onClick={props.onAgain} disabled={props.loading}>
          {t('live.again')}
        </Button>
      </div>
    </>
  );
}
