import { describe, expect, it } from 'vitest';
import { fuzzy } from './fuzzy';

const best = (search: string, texts: string[]) =>
  texts
    .map((text) => ({ text, match: fuzzy(search, text) }))
    .filter(({ match }) => match !== null)
    .sort((a, b) => (b.match?.score ?? 0) - (a.match?.score ?? 0))
    .map(({ text }) => text);

describe('fuzzy', () => {
  it('finds letters in order and nothing else', () => {
    expect(fuzzy('nc', 'New chat')?.at).toEqual([0, 4]);
    expect(fuzzy('cn', 'New chat')).toBeNull();
    expect(fuzzy('', 'New chat')?.score).toBe(0);
    expect(fuzzy('new  CHAT', 'New chat')?.at).toEqual([0, 1, 2, 4, 5, 6, 7]);
  });

  it('puts beginnings of words and whole words first', () => {
    expect(best('set', ['Reset the zoom', 'Show settings', 'Stop every test'])[0]).toBe(
      'Show settings',
    );
    expect(best('dark', ['Dashboard of a ranking', 'Theme: dark'])[0]).toBe('Theme: dark');
    expect(best('nc', ['Cancel', 'Once', 'New chat'])[0]).toBe('New chat');
  });

  it('shows the letters where they are, also beyond ASCII', () => {
    expect(fuzzy('ü', 'Über Züge')?.at).toEqual([0]);
    expect(fuzzy('漢', 'の漢字')?.at).toEqual([1]);
  });

  it('finds a prefix of every word of a text', () => {
    const text = 'Explain how a lighthouse lens works';
    for (const word of text.split(' ')) expect(fuzzy(word.slice(0, 3), text)).not.toBeNull();
  });
});
