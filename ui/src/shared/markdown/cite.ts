/**
 * Makes buttons of the numbers in brackets that an answer cites by, in HTML that is already sanitised. Nothing but digits
 * gets into what is added. Code, links and formulas are left as they are.
 */
import { words } from './words';

/** A tag with whatever its quoted values hold, or the text up to the next one. */
const PIECES = /<(?:[^"'>]|"[^"]*"|'[^']*')*>|[^<]+|</g;
const LEFT_ALONE = new Set(['code', 'pre', 'a', 'button', 'svg', 'math']);
const NUMBER = /\[(\d{1,4})\]/g;

export function citeHtml(html: string, known: { has: (number: number) => boolean }): string {
  let skipping: { name: string; depth: number } | null = null;
  let out = '';
  for (const [piece] of html.matchAll(PIECES)) {
    if (!piece.startsWith('<')) {
      out += skipping === null ? withButtons(piece, known) : piece;
      continue;
    }
    out += piece;
    const name = /^<\/?([a-z0-9-]+)/i.exec(piece)?.[1]?.toLowerCase();
    if (name === undefined || piece.endsWith('/>')) continue;
    const closes = piece.startsWith('</');
    if (skipping === null) {
      if (!closes && (LEFT_ALONE.has(name) || /class="[^"]*katex/.test(piece))) {
        skipping = { name, depth: 1 };
      }
    } else if (skipping.name === name) {
      skipping.depth += closes ? -1 : 1;
      if (skipping.depth === 0) skipping = null;
    }
  }
  return out;
}

function withButtons(text: string, known: { has: (number: number) => boolean }): string {
  return text.replace(NUMBER, (whole, digits: string) => {
    const number = Number(digits);
    if (!known.has(number)) return whole;
    return `<button type="button" class="md-cite" data-cite="${number}" aria-label="${words('common.markdown.cited', { number })}">${number}</button>`;
  });
}
