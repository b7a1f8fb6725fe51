import { createRawSnippet, flushSync, mount, unmount } from 'svelte';
import { expect, it } from 'vitest';
import Phrase from './Phrase.svelte';

const shown = (html: string) => createRawSnippet(() => ({ render: () => html }));

function drawn(text: (slots: Record<string, string | number>) => string): string {
  const target = document.createElement('div');
  const props = { text, size: shown('<b>2 GB</b>'), place: shown('<code>/home</code>') };
  const phrase = mount(Phrase, { target, props });
  flushSync();
  const html = target.innerHTML.replace(/<!--.*?-->/g, '');
  void unmount(phrase);
  return html;
}

it('puts its parts where the language wants them', () => {
  expect(drawn(({ size, place }) => `${size} lie in ${place}.`)).toBe(
    '<b>2 GB</b> lie in <code>/home</code>.',
  );
  expect(drawn(({ size, place }) => `In ${place} liegen ${size}.`)).toBe(
    'In <code>/home</code> liegen <b>2 GB</b>.',
  );
});

it('leaves out a part that the text does not name, and keeps text as text', () => {
  expect(drawn(({ place }) => `<i>${place}</i>`)).toBe('&lt;i&gt;<code>/home</code>&lt;/i&gt;');
});
