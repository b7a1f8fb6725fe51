import { expect, it } from 'vitest';
import { speaksOf } from './find';

it.each([
  ['', ['Theme'], true],
  ['theme', ['Theme', 'Light or dark.'], true],
  [' dark THEME ', ['Theme', 'Light or dark.'], true],
  ['dark port', ['Theme', 'Light or dark.'], false],
  ['lange', ['Länge des Kontexts'], true],
  ['memoire', ['Mémoire'], true],
  ['コンテキスト', ['コンテキスト長'], true],
  ['temaX', ['Tema'], false],
])('%j in %j: %s', (words, texts, found) => {
  expect(speaksOf(words, texts)).toBe(found);
});
