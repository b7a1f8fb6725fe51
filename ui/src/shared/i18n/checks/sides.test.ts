/** Styles name no side of the page, which is another one in languages that run to the left. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const FILES = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.(?:svelte|css)$/.test(path))
  .map((path) => [path, readFileSync(`src/${path}`, 'utf8')] as const);
const SIDE =
  /^\s*(?:(?:margin|padding|border)-(?:left|right)[\w-]*|left|right|float: (?:left|right)|text-align: (?:left|right))\b[^;]*;/gm;

/** The one place where a side is meant: columns of figures, whose author said `--:`. */
const MEANT = ['text-align: right;'];

it('sides are named by the direction of the language', () => {
  const found = FILES.flatMap(([path, text]) => {
    const styles = path.endsWith('.css') ? text : (/<style>[^]*/.exec(text)?.[0] ?? '');
    return [...styles.matchAll(SIDE)].map(([line]) => `${path}: ${line.trim()}`);
  });
  expect(found).toEqual(MEANT.map((line) => `shared/styles/markdown.css: ${line}`));
});
