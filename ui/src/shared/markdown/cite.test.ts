import { describe, expect, it } from 'vitest';
import { citeHtml } from './cite';
import { renderMarkdown } from './render';

const KNOWN = new Set([1, 12]);
const cite = (markdown: string) =>
  renderMarkdown(markdown)
    .map((html) => citeHtml(html, KNOWN))
    .join('');

describe('citations', () => {
  it('become buttons where their number is known', () => {
    const html = cite('It was lit in 1823 [1], **not** later [12][3].');
    expect(html).toContain('data-cite="1"');
    expect(html).toContain('aria-label="Source 12"');
    expect(html).toContain('[3]');
    expect(html.match(/<button/g)).toHaveLength(2);
  });

  it('are left alone in code, links and formulas', () => {
    expect(cite('`a[1]`\n\n```\nb[1]\n```')).not.toContain('data-cite');
    expect(cite('[see [1] there](https://example.org/)')).not.toContain('data-cite');
    expect(citeHtml('<span class="katex"><span>x</span>[1]</span> [1]', KNOWN)).toBe(
      `<span class="katex"><span>x</span>[1]</span> ${citeHtml('[1]', KNOWN)}`,
    );
  });

  it('change nothing but their own text, whatever an attribute holds', () => {
    const html = '<a title="a > [1] <b>">x</a><img alt="[1]">';
    expect(citeHtml(html, KNOWN)).toBe(html);
    expect(citeHtml('1 < 2 [1]', KNOWN)).toContain('1 < 2 <button');
    const plain = cite('Nothing here [2], [x], [1a], 1].');
    expect(plain).toBe(renderMarkdown('Nothing here [2], [x], [1a], 1].').join(''));
  });
});
