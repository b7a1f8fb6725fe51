/** The translations of errors against the codes that the sources in Rust give. */
import { describe, expect, it } from 'vitest';
import { TAGS } from '../languages';
import { codesIn, codesOfRust } from './codes';

type Texts = Record<string, { what: string; next: string }>;

const FILES = import.meta.glob<Texts>('../*/errors.json', { eager: true, import: 'default' });

const { codes, unread } = codesOfRust();

it('the sources give their codes in ways that are read', () => {
  expect(unread).toEqual([]);
  expect(codes.size).toBeGreaterThan(200);
});

it('English is what Rust says, and shipped once', () => {
  expect(FILES).not.toHaveProperty('../en/errors.json');
});

describe.each(TAGS.filter((tag) => tag !== 'en'))('%s', (tag) => {
  const texts = FILES[`../${tag}/errors.json`] ?? {};

  it('has each code of Rust, and no other', () => {
    const own = Object.keys(texts);
    expect([...codes].filter((code) => !own.includes(code)).sort()).toEqual([]);
    expect(own.filter((code) => !codes.has(code))).toEqual([]);
  });

  it('says of each what happened and what to do, and nothing that it does not know', () => {
    const wrong = Object.entries(texts).filter(
      ([, { what, next, ...more }]) =>
        !what.trim() || !next.trim() || /\{|\}/.test(what + next) || Object.keys(more).length > 0,
    );
    expect(wrong).toEqual([]);
  });
});

it('a server that cannot be reached is no matter of downloads alone: searches fail by it, too', () => {
  const ofDownloads =
    /download|descarg|téléchargement|geladen|chegou|reçu|ダウンロード|取得|下载|تنزيل|وصل/i;
  const said = Object.entries(FILES).flatMap(([file, texts]) =>
    ['hub_unreachable', 'hub_http_status'].map((code) => `${file}: ${texts[code]?.next}`),
  );
  expect(said).toHaveLength(14);
  expect(said.filter((words) => ofDownloads.test(words))).toEqual([]);
});

describe('codes', () => {
  it.each([
    ['AppError::new("one_thing", "Words.", next)', ['one_thing']],
    ['Self::new(\n    "one_thing",\n    format!("{x}"), next)', ['one_thing']],
    ['ErrorInfo { code: "one_thing".into(), message }', ['one_thing']],
    [
      'ErrorInfo { code: if taken { "a_one" } else { "b_two" }.into(), message }',
      ['a_one', 'b_two'],
    ],
    [
      'fn code(&self) -> &\'static str {\n    match self {\n        Self::A => "a_one",\n    }\n}\nlet x = "no_code";',
      ['a_one'],
    ],
    ['// AppError::new("no_code", x)', []],
    ['#[cfg(test)]\nmod tests { fn a() { AppError::new("no_code", x) } }', []],
  ])('of %s', (source, expected) => {
    expect([...codesIn(source).codes].sort()).toEqual(expected);
  });

  it('that are given in another way are told', () => {
    expect(codesIn('AppError::new(of_somewhere(x), message, next)').unread).toEqual([
      'of_somewhere(x)',
    ]);
  });
});
