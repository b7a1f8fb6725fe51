import { describe, expect, it } from 'vitest';
import { IncrementalMarkdown } from './incremental';
import { allowedAddress, renderMarkdown } from './render';

/** Everything an answer could smuggle in, and innocent text around it. */
const ATTACKS = [
  '<script>alert(1)</script>',
  'Hello <img src=x onerror="alert(1)"> there',
  '<img src=x onerror=alert(1)//',
  '<svg onload=alert(1)><circle r="1"/></svg>',
  '<svg><script>alert(1)</script></svg>',
  '<iframe src="https://example.org"></iframe>',
  '<iframe srcdoc="<script>alert(1)</script>">',
  '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>',
  '<a href="javascript:alert(1)">x</a>',
  '<form action="https://example.org"><input name="q"><button formaction="javascript:alert(1)">go</button></form>',
  '<style>body { display: none }</style>',
  '<div style="position:fixed;inset:0">over everything</div>',
  '<object data="data:text/html,<script>alert(1)</script>"></object>',
  '<meta http-equiv="refresh" content="0;url=https://example.org">',
  '<base href="https://example.org/">',
  '<details open ontoggle=alert(1)>',
  '[x](javascript:alert(1))',
  '[x](JaVaScRiPt:alert(1))',
  '[x](java&#115;cript:alert(1))',
  '[x](&#x6A;avascript:alert(1))',
  '[x](\u0001javascript:alert(1))',
  '[x](vbscript:msgbox(1))',
  '[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)',
  '[x](file:///etc/passwd)',
  '[x](tauri://localhost/)',
  '[x](asset://localhost/etc/passwd)',
  '<javascript:alert(1)>',
  '[x]: javascript:alert(1)\n\n[x]',
  '![x](javascript:alert(1))',
  '![x](data:text/html,<script>alert(1)</script>)',
  '![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+)',
  '![x](https://example.org/spy.png?secret=1)',
  '![x" onerror="alert(1)](https://example.org/a.png)',
  '[x](https://example.org/"onmouseover="alert(1))',
  '[x](https://example.org "t\\" onmouseover=\\"alert(1)")',
  '```html"><script>alert(1)</script>\n<script>alert(1)</script>\n```',
  '```js\n</code></pre><img src=x onerror=alert(1)>\n```',
  '| a |\n|---|\n| <img src=x onerror=alert(1)> |',
  '# <script>alert(1)</script>',
  '> <iframe src="javascript:alert(1)">',
  '- [ ] <svg onload=alert(1)>',
  '`<script>alert(1)</script>`',
];

const ELEMENTS = new Set(
  'P BR HR H1 H2 H3 H4 H5 H6 BLOCKQUOTE UL OL LI STRONG EM DEL CODE PRE SPAN DIV A IMG BUTTON TABLE THEAD TBODY TR TH TD'.split(
    ' ',
  ),
);
const ATTRIBUTES = new Set(
  'class href title start src alt type role tabindex scope aria-label data-href data-copy data-image'.split(
    ' ',
  ),
);

/** What in this HTML could do harm once it is in a page. */
function harm(html: string): string[] {
  const page = document.createElement('div');
  page.innerHTML = html;
  const found: string[] = [];
  for (const element of page.querySelectorAll('*')) {
    if (!ELEMENTS.has(element.tagName)) found.push(`<${element.tagName}>`);
    for (const { name, value } of element.attributes) {
      if (!ATTRIBUTES.has(name)) found.push(`${name}="${value}"`);
      if (name === 'href' && !/^https?:\/\//.test(value)) found.push(`href="${value}"`);
      if (name === 'src' && !/^data:image\/(png|jpe?g|gif|webp);base64,/.test(value)) {
        found.push(`src="${value}"`);
      }
    }
  }
  return found;
}

describe('sanitising', () => {
  it.each(ATTACKS)('lets nothing harmful through: %s', (attack) => {
    const source = `Before\n\n${attack}\n\nafter`;
    for (const block of renderMarkdown(source)) expect(harm(block)).toEqual([]);
  });

  it.each(ATTACKS)('lets nothing harmful through at any moment of streaming: %s', (attack) => {
    const source = `Before\n\n${attack}\n\nafter`;
    const renderer = new IncrementalMarkdown();
    for (let length = 1; length <= source.length; length += 1) {
      const blocks = renderer.update(source.slice(0, length));
      for (const { html } of blocks) {
        expect(harm(html), `after ${length} characters`).toEqual([]);
      }
    }
  });

  it('shows raw HTML as the text that it is', () => {
    const [block] = renderMarkdown('a <b>bold</b> move');
    expect(block).toContain('&lt;b&gt;bold&lt;/b&gt;');
  });

  it('notices harm, so that the tests above can fail', () => {
    expect(harm('<p onclick="x()"><script></script><a href="javascript:x">y</a></p>')).toHaveLength(
      3,
    );
  });
});

describe('addresses', () => {
  it('keeps http and https, in full', () => {
    expect(allowedAddress('https://example.org/a?b=c#d')).toBe('https://example.org/a?b=c#d');
    expect(allowedAddress(' http://example.org ')).toBe('http://example.org/');
  });

  it('drops everything else, relative addresses too', () => {
    for (const href of ['javascript:x', 'data:text/html,x', 'mailto:a@b.c', '/etc', '', '//x.y']) {
      expect(allowedAddress(href), href).toBeNull();
    }
  });

  it('gives a link its address twice: for the eye and for the click', () => {
    const [block] = renderMarkdown('[here](https://example.org/x)');
    expect(block).toContain('data-href="https://example.org/x"');
    expect(block).toContain('title="https://example.org/x"');
  });

  it('puts a button in the place of a remote image', () => {
    const [block] = renderMarkdown('![a lens](https://example.org/lens.jpg)');
    expect(block).not.toContain('<img');
    expect(block).toContain('data-image="https://example.org/lens.jpg"');
    expect(block).toContain('a lens');
  });

  it('shows an image that came with the answer', () => {
    const [block] = renderMarkdown('![dot](data:image/png;base64,iVBORw0KGgo=)');
    expect(block).toContain('<img');
    expect(block).toContain('src="data:image/png;base64,iVBORw0KGgo="');
  });
});

describe('what the renderer adds', () => {
  it('survives the sanitiser', () => {
    const [code] = renderMarkdown('```js\nx\n```');
    expect(code).toContain('data-copy="code"');
    expect(code).toContain('aria-label="Copy code"');
    expect(code).toContain('tabindex="0"');
    expect(code).toContain('type="button"');
    expect(renderMarkdown('7. x')[0]).toContain('<ol start="7">');
    expect(renderMarkdown('- [x] y')[0]).toContain('aria-label="done"');
    const [table] = renderMarkdown('| a | b |\n|---|--:|\n| 1 | 2 |');
    expect(table).toContain('scope="col"');
    expect(table).toContain('<td class="md-right">2</td>');
  });
});

describe('code', () => {
  it('is coloured by classes, never by styles', () => {
    const [block] = renderMarkdown('```python\ndef f(): return 1\n```');
    expect(block).toContain('class="hljs-keyword"');
    expect(block).not.toContain('style=');
  });

  it('in an unknown language is shown as it is', () => {
    const [block] = renderMarkdown('```klingon\n<q> & co\n```');
    expect(block).toContain('&lt;q&gt; &amp; co');
    expect(block).toContain('klingon');
  });
});
