// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, count, percent, short } from '../../ui/src/lib/num.ts';
import { absolute, compact, DAY, duration, HOUR, MINUTE, parseTime, relative, stepFor } from '../../ui/src/lib/time.ts';

const now = Date.UTC(2026, 0, 31, 14, 3, 11, 123);

test('times as people write them', () => {
  assert.equal(parseTime('', now), now);
  assert.equal(parseTime('now', now), now);
  assert.equal(parseTime('-15m', now), now - 15 * MINUTE);
  assert.equal(parseTime('-7d', now), now - 7 * DAY);
  assert.equal(parseTime('-2w', now), now - 14 * DAY);
  assert.equal(parseTime('2026-01-31T14:03:11.123Z', 0), now);
  assert.equal(parseTime(String(now), 0), now);
});

test('what is no time', () => {
  for (const s of ['-', '-7', '-7y', '7d', 'soon', '2026-13-45T00:00:00Z', '12', '-9999999d'])
    assert.equal(parseTime(s, now), null, s);
});

test('absolute times have one form, with the zone that is asked for', () => {
  assert.equal(absolute(now, 'UTC'), '2026-01-31 14:03:11');
  assert.equal(absolute(now, 'UTC', true), '2026-01-31 14:03:11.123');
  assert.equal(absolute(now, 'Asia/Shanghai'), '2026-01-31 22:03:11');
  assert.equal(absolute(Date.UTC(2026, 0, 1), 'UTC'), '2026-01-01 00:00:00');
  assert.equal(absolute(NaN), '–');
});

test('dense lists leave out the day when it is today', () => {
  assert.equal(compact(now - HOUR, now, 'UTC'), '13:03:11');
  assert.equal(compact(now - DAY, now, 'UTC'), '01-30 14:03');
});

test('how long ago, in both languages', () => {
  assert.match(relative(now - 3 * MINUTE, now, 'en'), /3 min\. ago/);
  assert.match(relative(now - 3 * MINUTE, now, 'zh'), /3\s?分钟前/);
  assert.match(relative(now + 2 * HOUR, now, 'en'), /in 2 hr\./);
  assert.equal(relative(now, now, 'en'), 'now');
  assert.match(relative(now - 59_999, now, 'en'), /59 sec/);
});

test('durations have two units at the most', () => {
  assert.equal(duration(12), '12 ms');
  assert.equal(duration(1234), '1.2 s');
  assert.equal(duration(-94_000), '1 min 34 s');
  assert.equal(duration(2 * HOUR), '2 h');
  assert.equal(duration(3 * DAY + 4 * HOUR + 5 * MINUTE), '3 d 4 h');
});

test('a chart has about as many points as it was asked for', () => {
  assert.equal(stepFor(HOUR, 96), MINUTE);
  assert.equal(stepFor(DAY, 96), 30 * MINUTE);
  for (const span of [MINUTE, HOUR, DAY, 30 * DAY, 90 * DAY]) assert.ok(span / stepFor(span, 96) <= 96);
});

test('numbers', () => {
  assert.equal(count(1234567), '1,234,567');
  assert.equal(count(null), '–');
  assert.equal(short(9999), '9,999');
  assert.equal(short(12_345), '12.3k');
  assert.equal(short(41_882_001), '41.9M');
  assert.equal(bytes(0), '0 B');
  assert.equal(bytes(1536), '1.5 KiB');
  assert.equal(bytes(41e9), '38.2 GiB');
  assert.equal(bytes(undefined), '–');
  assert.equal(percent(3), '0.3 %');
});
