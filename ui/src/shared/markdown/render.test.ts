import { beforeAll, describe, expect, it } from 'vitest';
import { loadFormulas } from './formulas.svelte';
import { allowedAddress, diagramOf, lex, renderMarkdown } from './render';

describe('sanitising', () => {
  it('shows raw HTML as the text that it is', () => {
    const [block] = renderMarkdown('a <b>bold</b> move');
    expect(block).toContain('&lt;b&gt;bold&lt;/b&gt;');
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

describe('formulas', () => {
  beforeAll(loadFormulas);

  it.each([
    'a $x^2$ b',
    'a \\(x^2\\) b',
    'a $$x^2$$ b',
    '$$\nx^2\n$$',
    '\\[\nx^2\n\\]',
    'Thus:\n$$\nx\n= y\n- z\n$$\nso',
    '- one\n  $$\n  x\n  $$',
  ])('are MathML without styles: %j', (source) => {
    const html = renderMarkdown(source).join('');
    expect(html).toContain('<math');
    expect(html).not.toMatch(/style="|<annotation|\$|\\/);
  });

  it.each([
    'It costs $5 and $6.',
    '$5-$6',
    'a \\$x\\$ b',
    '`$x$`',
    '$ x $',
    '$x',
    '$$\nx\n\ny\n$$',
    '\\(x',
  ])('are not seen where there is none: %j', (source) =>
    expect(renderMarkdown(source).join('')).not.toContain('<math'),
  );

  it('that cannot be read are shown as they were written', () => {
    const html = renderMarkdown('a $\\frac{1$ b').join('');
    expect(html).toContain('<code class="md-tex">$\\frac{1$</code>');
  });

  it('make no links, images or styles', () => {
    const html = renderMarkdown('$\\href{https://example.org}{x} \\htmlStyle{color:red}{y}$').join(
      '',
    );
    expect(html).not.toMatch(/href=|style=/);
  });
});

describe('footnotes', () => {
  it('are numbered in the order of their marks', () => {
    const [text, first, second] = renderMarkdown('b[^b] a[^a] b[^b]\n\n[^a]: A\n\n[^b]: B');
    expect(text).toMatch(/data-to-note="1".*data-to-note="2".*data-to-note="1"/);
    expect(first).toContain('data-note="2"');
    expect(second).toContain('data-note="1"');
  });

  it('hold lines that follow, and indented paragraphs', () => {
    const [, note, after] = renderMarkdown('x[^1]\n\n[^1]: one\ntwo\n\n    three\n\nafter');
    expect(note).toMatch(/one\ntwo[^]*three/);
    expect(after).toContain('after');
  });

  it('that are mentioned nowhere, and marks without a note, are text', () => {
    expect(renderMarkdown('a[^1] `[^2]`').join('')).toContain('a[^1]');
    expect(renderMarkdown('[^1]: lonely').join('')).not.toContain('data-note');
  });
});

describe('what can be looked at', () => {
  it('has a button once its code is whole', () => {
    expect(renderMarkdown('```html\n<b>\n```')[0]).toContain('data-preview="html"');
    expect(renderMarkdown('> ~~~svg\n> <svg/>\n> ~~~')[0]).toContain('data-preview="svg"');
    expect(renderMarkdown('```html\n<b>\n')[0]).not.toContain('data-preview');
    expect(renderMarkdown('```python\nx\n```')[0]).not.toContain('data-preview');
  });

  it('tells diagrams that are whole', () => {
    const diagram = (source: string) => diagramOf(lex(source)[0]!);
    expect(diagram('```mermaid\ngraph TD\nA\n```')).toBe('graph TD\nA');
    expect(diagram('```mermaid\ngraph TD\nA')).toBeNull();
    expect(diagram('```dot\nA\n```')).toBeNull();
  });
});

describe('what would take for ever', () => {
  it.each([
    ['beginnings of formulas', '\\[ '.repeat(10_000)],
    ['lines that begin formulas', '\\[\n'.repeat(10_000)],
    ['dollars', '$a'.repeat(10_000)],
    ['marks of footnotes', '[^1] '.repeat(20_000)],
    ['footnotes', '[^1]: a\n'.repeat(5_000)],
    ['nested braces', `$${'{'.repeat(4000)}$`],
  ])('does not: %s', (_what, source) => {
    expect(renderMarkdown(source).length).toBeGreaterThan(0);
  });
});
