// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { baseName, pieces, plain } from '../../ui/src/lib/text.ts';

test('ordinary text of any script stays', () => {
  for (const s of ['/etc/shadow', 'naïve 中文 𝒳 😀 עברית', ''])
    assert.deepEqual(pieces(s), s ? [{ text: s, odd: 0 }] : []);
});

test('escape sequences become visible', () => {
  assert.equal(plain('a\u001b[31mb\n\t\r\0'), 'a\\x1b[31mb\\n\\t\\r\\0');
});

test('what turns the direction becomes visible', () => {
  for (const c of ['\u202a', '\u202b', '\u202c', '\u202d', '\u202e', '\u2066', '\u2067', '\u2068', '\u2069', '\u200e', '\u200f', '\u061c'])
    assert.equal(pieces(`a${c}b`)[1]?.odd, c.codePointAt(0) ?? -1);
});

test('what cannot be seen becomes visible', () => {
  for (const c of ['\u200b', '\u200d', '\ufeff', '\u00ad', '\u2028', '\u3164', '\u{e0041}', '\u0085', '\u007f'])
    assert.ok((pieces(c)[0]?.odd ?? 0) > 0, String(c.codePointAt(0)));
});

test('half of a pair is said', () => {
  assert.equal(plain('\ud800x'), '\\u{d800}x');
});

test('nothing odd is left in any text', () => {
  let all = '';
  for (let c = 0; c < 0x3000; c++) all += String.fromCodePoint(c);
  assert.doesNotMatch(plain(all, 1e6), /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/);
});

test('long text is cut, by characters', () => {
  assert.equal(plain('😀'.repeat(10), 3), '😀😀😀…');
  assert.equal(plain('abc', 3), 'abc');
});

test('the last part of a path', () => {
  assert.equal(baseName('/usr/bin/cat'), 'cat');
  assert.equal(baseName('/srv/'), 'srv');
  assert.equal(baseName('/'), '/');
  assert.equal(baseName(''), '');
});
