/**
 * Where formulas stand in Markdown: `$…$` and `\(…\)` in a line, `$$…$$` and `\[…\]` displayed. One that is not closed
 * yet is text. A displayed one holds no blank line, as in TeX; so nothing before a blank line can still become a part of it.
 *
 * Only so many characters are searched for an end: an answer full of beginnings must not take quadratic time.
 */
import type { MarkedExtension, Tokens } from 'marked';
import { formula } from './formulas.svelte';

interface FormulaToken extends Tokens.Generic {
  tex: string;
  display: boolean;
}

/** The longest formula, in characters. */
const REACH = 4096;
/** So many lines of a paragraph that might begin a formula are tried. */
const TRIES = 32;

const DISPLAY =
  /^(?:\$\$((?:(?!\n[ \t]*\n)[^$\\]|\\[^])+?)\$\$|\\\[((?:(?!\n[ \t]*\n)[^\\]|\\[^\]])+?)\\\])/;
/** A dollar behind which a space or in front of whose end a space stands is money; so is one that a digit follows. */
const INLINE =
  /^(?:\$(?![\s$])((?:[^$\\\n]|\\[^\n])*?(?:[^$\\\s]|\\[^\n]))\$(?![\d$])|\\\(((?:[^\\\n]|\\[^)\n])+?)\\\))/;

function match(pattern: RegExp, source: string): { raw: string; tex: string } | null {
  const begin = source.slice(0, 2);
  const end = { $$: '$$', '\\[': '\\]', '\\(': '\\)' }[begin] ?? '$';
  const reach = source.slice(0, REACH);
  if (reach.indexOf(end, begin.length) < 0) return null;
  const found = pattern.exec(reach);
  const tex = (found?.[1] ?? found?.[2] ?? '').trim();
  return found === null || tex === '' ? null : { raw: found[0], tex };
}

/** A displayed formula that has its lines for itself. */
function blockAt(source: string): Tokens.Generic | undefined {
  const indent = /^ {0,3}(?=\$\$|\\\[)/.exec(source)?.[0].length;
  if (indent === undefined) return undefined;
  const found = match(DISPLAY, source.slice(indent));
  if (found === null) return undefined;
  const length = indent + found.raw.length;
  const rest = /^[ \t]*(?:\n+|$)/.exec(source.slice(length, length + REACH));
  if (rest === null) return undefined;
  const raw = source.slice(0, length) + rest[0];
  return { type: 'formulaBlock', raw, tex: found.tex, display: true };
}

/** Where in this paragraph a displayed formula begins. */
function nextBlock(source: string): number | undefined {
  const end = source.search(/\n[ \t]*\n/);
  const paragraph = end < 0 ? source : source.slice(0, end);
  let tries = 0;
  for (const line of paragraph.matchAll(/\n {0,3}(?:\$\$|\\\[)/g)) {
    if ((tries += 1) > TRIES) return undefined;
    if (blockAt(source.slice(line.index + 1))) return line.index;
  }
  return undefined;
}

function inlineAt(source: string): Tokens.Generic | undefined {
  const display = match(DISPLAY, source);
  if (display) return { type: 'formula', ...display, display: true };
  const inline = match(INLINE, source);
  return inline ? { type: 'formula', ...inline, display: false } : undefined;
}

function render(token: Tokens.Generic): string {
  const { tex, display, raw } = token as FormulaToken;
  return formula(tex, display, raw);
}

export const math: MarkedExtension = {
  extensions: [
    {
      name: 'formulaBlock',
      level: 'block',
      start: nextBlock,
      tokenizer: blockAt,
      renderer: (token) => `<p>${render(token)}</p>\n`,
    },
    {
      name: 'formula',
      level: 'inline',
      start: (source) => /\$|\\[([]/.exec(source.slice(0, REACH))?.index,
      tokenizer: inlineAt,
      renderer: render,
    },
  ],
};
