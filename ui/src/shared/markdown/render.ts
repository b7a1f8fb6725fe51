/**
 * Markdown to HTML that may be put into the page. Two walls, each enough alone: the renderer writes no raw HTML
 * and no address outside the allow-list, and DOMPurify then lets through only the elements written here.
 *
 * Links carry `data-href` beside `href`: clicks are taken by `Markdown.svelte`, which shows the address first.
 * Remote images become buttons that name their address; nothing is ever fetched by displaying an answer.
 * Formulas are MathML (`formulas.svelte.ts`), diagrams are drawn elsewhere (`Diagram.svelte`) from what `diagramOf` finds.
 */
import DOMPurify, { type Config } from 'dompurify';
import { Marked, type Token, type Tokens, type TokensList } from 'marked';
import { escapeHtml } from './escape';
import {
  collect,
  footnotes,
  numberNotes,
  withNumbers,
  type Mentions,
  type Numbers,
} from './footnotes';
import { highlight } from './highlight';
import { math } from './math';
import { words } from './words';

/** The elements and attributes of MathML that formulas are made of. */
const MATH_TAGS = [
  ...['math', 'semantics', 'mrow', 'mi', 'mn', 'mo', 'ms', 'mtext', 'mspace', 'mfrac', 'msqrt'],
  ...['mroot', 'mstyle', 'mpadded', 'mphantom', 'menclose', 'msub', 'msup', 'msubsup', 'munder'],
  ...['mover', 'munderover', 'mmultiscripts', 'mprescripts', 'none', 'mtable', 'mtr', 'mtd'],
  ...['mlabeledtr'],
];
const MATH_ATTRIBUTES = [
  ...['display', 'mathvariant', 'mathcolor', 'mathbackground', 'stretchy', 'symmetric', 'fence'],
  ...['separator', 'lspace', 'rspace', 'minsize', 'maxsize', 'largeop', 'movablelimits', 'accent'],
  ...['accentunder', 'linethickness', 'displaystyle', 'scriptlevel', 'columnalign', 'rowalign'],
  ...['columnspacing', 'rowspacing', 'columnlines', 'rowlines', 'frame', 'side', 'width', 'height'],
  ...['depth', 'voffset', 'notation'],
];
/** What the buttons and marks are told apart by; `Markdown.svelte` takes the clicks. */
const MARKS = [
  'data-copy',
  'data-wrap',
  'data-preview',
  'data-note',
  'data-to-note',
  'data-from-note',
];

const POLICY: Config = {
  ALLOWED_TAGS: [
    ...['p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'blockquote', 'ul', 'ol', 'li'],
    ...['strong', 'em', 'del', 'code', 'pre', 'span', 'div', 'a', 'img', 'button'],
    ...['table', 'thead', 'tbody', 'tr', 'th', 'td', 'sup'],
    ...MATH_TAGS,
  ],
  ALLOWED_ATTR: [
    ...['class', 'href', 'title', 'start', 'src', 'alt', 'type', 'role', 'tabindex', 'scope'],
    ...['aria-label', 'data-href', 'data-image'],
    ...MARKS,
    ...MATH_ATTRIBUTES,
  ],
  // Without this, their values would have to look like addresses. Those that hold one are not in this list.
  ADD_URI_SAFE_ATTR: [
    ...['start', 'type', 'tabindex', 'scope', 'aria-label'],
    ...MARKS,
    ...MATH_ATTRIBUTES,
  ],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:\/\/|data:image\/(?:png|jpe?g|gif|webp);base64,)/i,
};

const INLINE_IMAGE = /^data:image\/(?:png|jpe?g|gif|webp);base64,[a-z0-9+/=]+$/i;

/** The address when it may be opened (absolute http or https), else `null`. */
export function allowedAddress(href: string): string | null {
  try {
    const url = new URL(href.trim());
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}

const marked = new Marked({
  gfm: true,
  breaks: false,
  renderer: {
    html({ text }) {
      return escapeHtml(text);
    },
    link({ href, tokens }) {
      const label = this.parser.parseInline(tokens);
      const address = allowedAddress(href);
      if (address === null) return label;
      const safe = escapeHtml(address);
      return `<a href="${safe}" data-href="${safe}" title="${safe}">${label}</a>`;
    },
    image({ href, text }) {
      const alt = escapeHtml(text);
      if (INLINE_IMAGE.test(href)) return `<img class="md-image" src="${href}" alt="${alt}">`;
      const address = allowedAddress(href);
      if (address === null) return alt;
      const safe = escapeHtml(address);
      const label = alt
        ? words('common.markdown.imageOf', { alt: text })
        : words('common.markdown.image');
      return `<button type="button" class="md-remote-image" data-image="${safe}" title="${safe}">${label} · ${words('common.markdown.notLoaded')}</button>`;
    },
    code({ text, lang, raw }) {
      const language = languageOf(lang);
      const name = language ? escapeHtml(language) : 'text';
      const preview =
        PREVIEWS.has(language) && isClosed(raw)
          ? `<button type="button" class="md-tool" data-preview="${language}">${words('common.markdown.preview')}</button>`
          : '';
      return (
        `<div class="md-code"><div class="md-code-bar"><span class="md-language">${name}</span>${preview}` +
        `<button type="button" class="md-tool" data-wrap="code" aria-label="${words('common.markdown.wrapLabel')}">${words('common.markdown.wrap')}</button>` +
        `<button type="button" class="md-tool" data-copy="code" aria-label="${words('common.markdown.copyCode')}">${words('common.copy')}</button></div>` +
        `<pre tabindex="0" role="group" aria-label="${words('common.markdown.code', { language: language || 'text' })}"><code class="hljs">${highlight(text, language)}</code></pre></div>\n`
      );
    },
    checkbox({ checked }) {
      return `<span class="md-check" role="img" aria-label="${words(checked ? 'common.markdown.done' : 'common.markdown.toDo')}">${checked ? '☑' : '☐'}</span> `;
    },
    table({ header, rows, align }) {
      const cell = (tag: 'th' | 'td', content: Tokens.TableCell, column: number) => {
        const side = align[column];
        const attributes =
          (tag === 'th' ? ' scope="col"' : '') + (side ? ` class="md-${side}"` : '');
        return `<${tag}${attributes}>${this.parser.parseInline(content.tokens)}</${tag}>`;
      };
      const head = header.map((content, column) => cell('th', content, column)).join('');
      const body = rows
        .map(
          (row) => `<tr>${row.map((content, column) => cell('td', content, column)).join('')}</tr>`,
        )
        .join('');
      return (
        `<div class="md-table" tabindex="0" role="group" aria-label="${words('common.markdown.table')}">` +
        `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>\n`
      );
    },
  },
});

marked.use(math, footnotes);

/** Languages whose code can be looked at. */
const PREVIEWS = new Set(['html', 'svg', 'mermaid']);

function languageOf(info: string | undefined): string {
  return (info ?? '').trim().split(/\s+/)[0]?.toLowerCase() ?? '';
}

/** Whether a fenced block has its closing fence; without it, more of it may come. */
function isClosed(raw: string): boolean {
  const fence = /^ {0,3}(`{3,}|~{3,})/.exec(raw)?.[1];
  const last = /\n[ \t>]*(`{3,}|~{3,})\s*$/.exec(raw)?.[1];
  return fence !== undefined && last !== undefined && last.startsWith(fence);
}

/** The source of the diagram that a block is, once that is whole. */
export function diagramOf(token: Token): string | null {
  if (token.type !== 'code') return null;
  const { lang, raw, text } = token as Tokens.Code;
  return languageOf(lang) === 'mermaid' && isClosed(raw) ? text : null;
}

/** What a block says about footnotes. */
export function mentionsOf(token: Token): Mentions {
  const found: Mentions = { marks: [], notes: [] };
  if (token.raw.includes('[^')) marked.walkTokens([token], (one) => collect(found, one));
  return found;
}

/** The source as block tokens. */
export function lex(source: string): TokensList {
  return marked.lexer(source);
}

/** One block token as HTML for the page, with the numbers of the answer's footnotes. */
export function renderBlock(token: Token, numbers: Numbers): string {
  return DOMPurify.sanitize(
    withNumbers(numbers, () => marked.parser([token])),
    POLICY,
  );
}

/** Everything at once; what the incremental renderer must agree with. */
export function renderMarkdown(source: string): string[] {
  const tokens = lex(source).filter(isVisible);
  const numbers = numberNotes(tokens.map(mentionsOf));
  return tokens.map((token) => renderBlock(token, numbers));
}

/** Whether the block prints anything. */
export function isVisible(token: Token): boolean {
  return token.type !== 'space' && token.type !== 'def';
}
