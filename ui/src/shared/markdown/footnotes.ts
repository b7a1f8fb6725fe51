/**
 * Footnotes: `[^label]` in the text, `[^label]: words` where they are written. A mark without a note is text. Notes are
 * numbered in the order of their marks, over the whole answer; so a block's HTML depends on what other blocks hold,
 * which `Numbers` tells.
 */
import type { MarkedExtension, Token, Tokens } from 'marked';
import { escapeHtml } from './escape';
import { words } from './words';

const MARK = /^\[\^([^\s[\]^]{1,64})\]/;
const NOTE = /^ {0,3}\[\^([^\s[\]^]{1,64})\]:[ \t]*/;
/** How far ahead the next mark is looked for; what lies further is found from the text in between. */
const REACH = 4096;
/** A line that begins something else. */
const OTHER = /^ {0,3}(?:#{1,6}[ \t]|```|~~~|>|[-*+][ \t]|\d{1,9}[.)][ \t]|\||\$\$|\\\[|\[\^)/;

/** The labels that a block mentions, and those it explains. */
export interface Mentions {
  marks: string[];
  notes: string[];
}

/** The number of each label that is both mentioned and explained. */
export type Numbers = ReadonlyMap<string, number>;

/** What the block being rendered refers to; set by `withNumbers`. */
let current: Numbers = new Map();

/** Renders with these numbers in force. */
export function withNumbers<T>(numbers: Numbers, render: () => T): T {
  const before = current;
  current = numbers;
  try {
    return render();
  } finally {
    current = before;
  }
}

/** Numbers the notes of an answer. */
export function numberNotes(blocks: readonly Mentions[]): Numbers {
  const explained = new Set(blocks.flatMap(({ notes }) => notes));
  const numbers = new Map<string, number>();
  for (const label of blocks.flatMap(({ marks }) => marks)) {
    if (explained.has(label) && !numbers.has(label)) numbers.set(label, numbers.size + 1);
  }
  return numbers;
}

/** Collects what this token mentions or explains. */
export function collect(found: Mentions, token: Token): void {
  if (token.type === 'footnoteMark') found.marks.push((token as Tokens.Generic).label as string);
  if (token.type === 'footnote') found.notes.push((token as Tokens.Generic).label as string);
}

/**
 * How long the note is that begins here: its first line, lines that follow without a break, and indented ones, also
 * after blank lines. Blank lines behind it are no part of it.
 */
function noteLength(source: string): number {
  let length = lineEnd(source, 0);
  let position = length;
  let blank = false;
  while (position < source.length) {
    const end = lineEnd(source, position);
    const line = source.slice(position, end);
    const empty = line.trim() === '';
    const indented = /^(?: {4}|\t)/.test(line);
    if (!empty && !indented && (blank || OTHER.test(line))) break;
    if (!empty) length = end;
    blank = empty || (blank && !indented);
    position = end;
  }
  return length;
}

function lineEnd(source: string, from: number): number {
  const end = source.indexOf('\n', from);
  return end < 0 ? source.length : end + 1;
}

export const footnotes: MarkedExtension = {
  extensions: [
    {
      name: 'footnote',
      level: 'block',
      start(source) {
        const end = source.search(/\n[ \t]*\n/);
        const paragraph = end < 0 ? source : source.slice(0, end);
        return /\n {0,3}\[\^[^\s[\]^]{1,64}\]:/.exec(paragraph)?.index;
      },
      tokenizer(source) {
        const match = NOTE.exec(source);
        if (match === null) return undefined;
        const raw = source.slice(0, noteLength(source));
        const text = raw.slice(match[0].length).replace(/\n(?: {4}|\t)/g, '\n');
        const tokens = this.lexer.blockTokens(text, []);
        return { type: 'footnote', raw, label: match[1] ?? '', tokens };
      },
      renderer(token) {
        const number = current.get(token.label as string);
        const content = this.parser.parse(token.tokens ?? []);
        if (number === undefined) return `<div class="md-note"><div>${content}</div></div>\n`;
        return (
          `<div class="md-note" role="note" tabindex="-1" data-note="${number}" aria-label="${words('common.markdown.footnote', { number })}">` +
          `<span class="md-note-number">${number}</span><div>${content}</div>` +
          `<button type="button" class="md-note-back" data-from-note="${number}" ` +
          `aria-label="${words('common.markdown.footnoteBack', { number })}">↩</button></div>\n`
        );
      },
      childTokens: ['tokens'],
    },
    {
      name: 'footnoteMark',
      level: 'inline',
      start: (source) => /\[\^/.exec(source.slice(0, REACH))?.index,
      tokenizer(source) {
        const match = MARK.exec(source);
        if (match === null) return undefined;
        return { type: 'footnoteMark', raw: match[0], label: match[1] ?? '' };
      },
      renderer(token) {
        const number = current.get(token.label as string);
        if (number === undefined) return escapeHtml(token.raw);
        return (
          `<sup class="md-mark"><button type="button" data-to-note="${number}" ` +
          `aria-label="${words('common.markdown.footnote', { number })}">${number}</button></sup>`
        );
      },
    },
  ],
};
