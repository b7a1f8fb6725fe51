/** Every language against English: the same keys, in the plural forms that it has, with the same places for values. */
import { describe, expect, it } from 'vitest';
import { ENGLISH } from '../english';
import { TAGS } from '../languages';
import { ENGLISH_TEXTS, flat, keysFor, places, stem } from './texts';

// Of errors, English has what Rust says: see errors.test.ts.
const FILES = import.meta.glob<object>(['../*/*.json', '!../*/errors.json'], {
  eager: true,
  import: 'default',
});

/** Texts of a language, as far as they are translated, with what English has for the same files. */
function translated(language: string) {
  const names = Object.keys(ENGLISH).filter((name) => `../${language}/${name}.json` in FILES);
  const pick = (texts: Record<string, object>) =>
    flat(Object.fromEntries(names.map((name) => [name, texts[name] ?? {}])));
  const own = Object.fromEntries(names.map((name) => [name, FILES[`../${language}/${name}.json`]]));
  return { english: pick(ENGLISH), own: flat(own) };
}

it.each(Object.keys(FILES))('%s is a namespace of English', (path) => {
  expect(Object.keys(ENGLISH)).toContain(/([^/]+)\.json$/.exec(path)?.[1]);
});

describe.each(TAGS)('%s', (language) => {
  const { english, own } = translated(language);

  it('has the keys of English', () => {
    expect(Object.keys(own).sort()).toEqual(keysFor(language, english));
  });

  it('has the places of English', () => {
    const wrong = Object.entries(own).filter(([key, text]) => {
      const expected = places(english[key] ?? english[`${stem(key)}_other`] ?? '');
      const found = places(text);
      // A form for one thing may do without its number.
      const missing = expected.filter((name) => !found.includes(name));
      const spared = /_(zero|one|two)$/.test(key) ? ['count'] : [];
      return (
        found.some((name) => !expected.includes(name)) ||
        missing.some((name) => !spared.includes(name))
      );
    });
    expect(wrong).toEqual([]);
  });

  it('leaves no text empty', () => {
    expect(Object.keys(own).filter((key) => own[key]?.trim() === '')).toEqual([]);
  });
});

it('knows the plural forms of languages', () => {
  const english = { a: 'A', n_one: '{{count}} thing', n_other: '{{count}} things' };
  expect(keysFor('ja', english)).toEqual(['a', 'n_other']);
  expect(keysFor('ar', english)).toHaveLength(7);
  expect(places('{{count, number}} of {{ total }} and {{count}}')).toEqual(['count', 'total']);
});

it('English says each thing at least once', () => {
  expect(Object.keys(ENGLISH_TEXTS).length).toBeGreaterThan(300);
});
