import { expect, it } from 'vitest';
import { asked, fill, parse } from './template';

/** Texts, and the variables in them as `name=default`. */
const FOUND: [string, string[]][] = [
  ['', []],
  ['No places at all.', []],
  ['{{text}}', ['text=']],
  ['a {{ text }} b', ['text=']],
  ['{{text|}}', ['text=']],
  ['{{language|German}} and {{tone|calm, kind}}', ['language=German', 'tone=calm, kind']],
  ['{{your name|Ada Lovelace}}', ['your name=Ada Lovelace']],
  ['{{a|x|y}}', ['a=x|y']],
  ['{{a}}{{b}}{{a|late}}', ['a=late', 'b=']],
  ['{{a|first}}{{a|second}}', ['a=first']],
  ['{{名前|花子}}', ['名前=花子']],
  ['{{a|two\nlines}}', ['a=two\nlines']],
  ['{text} {{}} {{ }} {{|x}} {{{{ }}}} {{a', []],
  ['{{{a}}}', ['a=']],
  ['{{{{a}}}}', ['a=']],
  ['{{a}b}}', []],
  ['{{two\nlines}}', []],
  ['{{toString}} {{__proto__|x}}', ['toString=', '__proto__=x']],
  ['${a} <script>{{a}}</script>', ['a=']],
];

it.each(FOUND)('finds the places of %j', (text, wanted) => {
  const { variables } = parse(text);
  expect(variables.map(({ name, initial }) => `${name}=${initial}`)).toEqual(wanted);
});

it.each(FOUND)('loses nothing of %j', (text) => {
  const { parts } = parse(text);
  let rest = text;
  for (const part of parts) {
    const end = typeof part === 'string' ? part.length : rest.indexOf('}}') + 2;
    const piece = rest.slice(0, end);
    if (typeof part === 'string') expect(piece).toBe(part);
    else expect(piece).toContain(part.name);
    rest = rest.slice(end);
  }
  expect(rest).toBe('');
});

it('knows the variables that have a meaning, and asks for all but the date', () => {
  const template = parse('{{date}} {{clipboard}} {{Date}} {{date}}');
  expect(template.variables.map(({ name, kind }) => [name, kind])).toEqual([
    ['date', 'date'],
    ['clipboard', 'clipboard'],
    ['Date', 'text'],
  ]);
  expect(asked(template).map(({ name }) => name)).toEqual(['clipboard', 'Date']);
  expect(fill(template, { clipboard: 'C', Date: 'D' }, '1 May')).toBe('1 May C D 1 May');
});

it('never looks at what was filled in', () => {
  const template = parse('{{a}} then {{b}}');
  expect(fill(template, { a: '{{b}} $& $1 {{a}}', b: '{{date}}' }, 'x')).toBe(
    '{{b}} $& $1 {{a}} then {{date}}',
  );
  expect(fill(template, {}, 'x')).toBe(' then ');
  expect(fill(parse('{{toString}}{{constructor}}'), {}, 'x')).toBe('');
});

it('reads a hostile text in time that its length justifies', () => {
  const text = '{{a|'.repeat(60_000) + '{{'.repeat(60_000) + '{{b}}';
  expect(parse(text).variables.map(({ name }) => name)).toEqual(['b']);
});
