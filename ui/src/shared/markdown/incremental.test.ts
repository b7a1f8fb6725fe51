import { beforeAll, describe, expect, it } from 'vitest';
import { LONG_ANSWER } from '../../../demo/data';
import { loadFormulas } from './formulas.svelte';
import { IncrementalMarkdown } from './incremental';
import { renderMarkdown } from './render';

const SAMPLES: Record<string, string> = {
  'paragraphs and soft breaks': 'One\ntwo  \nthree\n\nfour\n\n\nfive\r\n\r\nsix',
  'a heading by underline': 'Title\n=====\n\nSub\n---\n\ntext\n---\nmore',
  'lists that turn loose':
    '- a\n- b\n\n- c\n\n  more of c\n\n      code of c\n\nend\n\n1. x\n2. y\n\n\n3. z',
  'a list, then an indented line': '- a\n\n    indented\n\nnot\n\n    code\n\n    more code\nend',
  'fences in fences':
    '````md\n```js\nlet a = 1;\n```\n````\n\n~~~\nx\n~~~\n\n```\nnever closed\n\ntext',
  'quotes with lazy lines': '> a\nb\n> c\n\nd\n\n> e\n>\n> - f\n\ng',
  'a table that begins as a paragraph':
    'a | b\n--- | ---\n1 | 2\n3 | 4\n\nafter\n\n| x |\n|---|\nend',
  'definitions after their use':
    'See [the book] and [b].\n\nMore.\n\n[the book]: https://example.org/book\n[b]: https://example.org/b\n\nEnd [b].',
  'raw HTML':
    '<div>\n\n**bold**\n\n</div>\n\n<!-- a\n\nb -->\n\ntext <br> text\n\n<pre>\n\nx\n</pre>\ny',
  formulas:
    'Let $a_b$ be\n$$\nx\n- y\n+ z\n= 1\n$$\nso\n\n\\[\n# a\n> b\n\\]\n\n$$ never\n\nclosed $$ and \\(x',
  footnotes:
    'One[^a] two[^b].\n\nMore[^c].\n\n- item[^b]\n\n[^b]: B\n\n    more\n\nText.\n\n[^a]: A\n[^c]: C\n\nend',
  'a diagram and a page':
    'See\n\n```mermaid\ngraph TD\n\nA --> B\n```\n\n```html\n<p>\n\n</p>\n```\nend',
  'rules and stars': '***\n\n* * *\n\n**a\n\n*b*\n\n_c\n\n- - -\nd',
};

beforeAll(loadFormulas);

describe.each(Object.entries(SAMPLES))('%s', (_name, source) => {
  it('gives the same blocks as rendering afresh, at every split', () => {
    const renderer = new IncrementalMarkdown();
    for (let length = 0; length <= source.length; length += 1) {
      const part = source.slice(0, length);
      expect(
        renderer.update(part).map(({ html }) => html),
        `after ${length} characters`,
      ).toEqual(renderMarkdown(part));
    }
  });

  it('does not depend on how the text was cut', () => {
    for (const step of [7, 31]) {
      const renderer = new IncrementalMarkdown();
      for (let length = 0; length < source.length; length += step) {
        renderer.update(source.slice(0, length));
      }
      expect(renderer.update(source).map(({ html }) => html)).toEqual(renderMarkdown(source));
    }
  });
});

it('a long answer, as it streams, ends up as rendered afresh', () => {
  const renderer = new IncrementalMarkdown();
  for (let length = 0; length < LONG_ANSWER.length; length += 29) {
    const part = LONG_ANSWER.slice(0, length);
    expect(renderer.update(part).map(({ html }) => html)).toEqual(renderMarkdown(part));
  }
  expect(renderer.update(LONG_ANSWER).map(({ html }) => html)).toEqual(renderMarkdown(LONG_ANSWER));
});

it('keeps the HTML of blocks that are final, as the same object', () => {
  const renderer = new IncrementalMarkdown();
  const before = renderer.update('First.\n\nSecond.\n\nThi');
  const after = renderer.update('First.\n\nSecond.\n\nThird, longer.');
  expect(after[0]).toBe(before[0]);
  expect(after[2]?.html).toContain('Third, longer.');
});

it('starts afresh when the text is another one', () => {
  const renderer = new IncrementalMarkdown();
  renderer.update('# One\n\ntwo\n\nthree');
  expect(renderer.update('Four').map(({ html }) => html)).toEqual(renderMarkdown('Four'));
});
