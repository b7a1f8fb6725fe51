/** Several hundred ways in which text has become code elsewhere (`tests/golden/xss`), whole and as it arrives in pieces. */
import { beforeAll, describe, expect, it } from 'vitest';
import corpus from '../../../../tests/golden/xss/corpus.json';
import { loadFormulas } from './formulas.svelte';
import { harm } from './harm';
import { IncrementalMarkdown } from './incremental';
import { renderMarkdown } from './render';

/** Every so many characters a split: coprime with most things, and it begins elsewhere for each payload. */
const STEP = 5;

beforeAll(loadFormulas);

it('is large, and has no payload twice', () => {
  const all = corpus.flatMap(({ payloads }) => payloads);
  expect(all.length).toBeGreaterThanOrEqual(300);
  expect(new Set(all).size).toBe(all.length);
});

describe.each(corpus)('$class', ({ payloads }) => {
  it.each(payloads)('%j', (payload) => {
    const source = `Before\n\n${payload.replaceAll('HOST', '127.0.0.1:9')}\n\nafter *words* $x$`;
    const whole = renderMarkdown(source);
    for (const html of whole) expect(harm(html)).toEqual([]);

    const renderer = new IncrementalMarkdown();
    for (let length = 8 + (payload.length % STEP); length < source.length; length += STEP) {
      for (const { html } of renderer.update(source.slice(0, length))) {
        expect(harm(html), `after ${length} characters`).toEqual([]);
      }
    }
    expect(renderer.update(source).map(({ html }) => html)).toEqual(whole);
  });
});

describe('harm', () => {
  it.each([
    '<p onclick="x()">y</p>',
    '<script></script>',
    '<a href="javascript:x">y</a>',
    '<svg><circle /></svg>',
    '<math><mi href="javascript:x">y</mi></math>',
    '<math><mstyle mathcolor="url(x)"></mstyle></math>',
    '<p style="color: red">x</p>',
    '<p id="app">x</p>',
    '<div class="shell">x</div>',
    '<img src="http://127.0.0.1/">',
    '<iframe></iframe>',
  ])('is noticed, so that the tests above can fail: %s', (html) => {
    expect(harm(html)).not.toEqual([]);
  });
});
