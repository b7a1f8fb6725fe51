/**
 * Markdown to HTML that may be put into the page. Two walls, each enough alone: the renderer writes no raw HTML
 * and no address outside the allow-list, and DOMPurify then lets through only the elements written here.
 *
 * Links carry `data-href` beside `href`: clicks are taken by `Markdown.svelte`, which shows the address first.
 * Remote images become buttons that name their address; nothing is ever fetched by displaying an answer.
 */
import DOMPurify, { type Config } from 'dompurify';
import { Marked, type Token, type Tokens, type TokensList } from 'marked';
import { escapeHtml } from './escape';
import { highlight } from './highlight';

const POLICY: Config = {
  ALLOWED_TAGS: [
    ...['p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'blockquote', 'ul', 'ol', 'li'],
    ...['strong', 'em', 'del', 'code', 'pre', 'span', 'div', 'a', 'img', 'button'],
    ...['table', 'thead', 'tbody', 'tr', 'th', 'td'],
  ],
  ALLOWED_ATTR: [
    ...['class', 'href', 'title', 'start', 'src', 'alt', 'type', 'role', 'tabindex', 'scope'],
    ...['aria-label', 'data-href', 'data-copy', 'data-image'],
  ],
  // Without this, their values would have to look like addresses. Those that hold one are not in this list.
  ADD_URI_SAFE_ATTR: ['start', 'type', 'tabindex', 'scope', 'aria-label', 'data-copy'],
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
      const label = alt ? `Image: ${alt}` : 'Image';
      return `<button type="button" class="md-remote-image" data-image="${safe}" title="${safe}">${label} · not loaded</button>`;
    },
    code({ text, lang }) {
      const language = (lang ?? '').trim().split(/\s+/)[0]?.toLowerCase() ?? '';
      const name = language ? escapeHtml(language) : 'text';
      return (
        `<div class="md-code"><div class="md-code-bar"><span>${name}</span>` +
        `<button type="button" class="md-copy" data-copy="code" aria-label="Copy code">Copy</button></div>` +
        `<pre tabindex="0" role="group" aria-label="Code, ${name}"><code class="hljs">${highlight(text, language)}</code></pre></div>\n`
      );
    },
    checkbox({ checked }) {
      return `<span class="md-check" role="img" aria-label="${checked ? 'done' : 'to do'}">${checked ? '☑' : '☐'}</span> `;
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
        `<div class="md-table" tabindex="0" role="group" aria-label="Table">` +
        `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>\n`
      );
    },
  },
});

/** The source as block tokens. */
export function lex(source: string): TokensList {
  return marked.lexer(source);
}

/** One block token as HTML for the page. */
export function renderBlock(token: Token): string {
  return DOMPurify.sanitize(marked.parser([token]), POLICY);
}

/** Everything at once; what the incremental renderer must agree with. */
export function renderMarkdown(source: string): string[] {
  return lex(source).filter(isVisible).map(renderBlock);
}

/** Whether the block prints anything. */
export function isVisible(token: Token): boolean {
  return token.type !== 'space' && token.type !== 'def';
}
