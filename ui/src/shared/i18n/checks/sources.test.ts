/** The sources against the texts: each text is used, with its values, and no words stand in the sources themselves. */
import { describe, expect, it } from 'vitest';
import { callOf, SOURCES, textOf, treeOf, walk, type Call, type Node } from './sources';
import { ENGLISH_TEXTS, places, stem } from './texts';
import { wordsIn } from './words';

const KEYS = [...new Set(Object.keys(ENGLISH_TEXTS).map(stem))];

/** Keys that a literal may mean: itself, or all that it can become. */
function meant(text: string): string[] {
  if (!text.includes('${}')) return KEYS.filter((key) => key === text);
  if (!/^[a-zA-Z]+\.[\w.${}-]*$/.test(text)) return [];
  const pattern = text.split('${}').map((piece) => piece.replaceAll('.', '\\.'));
  const whole = new RegExp(`^${pattern.join('.+')}$`);
  return KEYS.filter((key) => whole.test(key));
}

const used = new Set<string>();
const calls: (Call & { path: string })[] = [];
for (const { path, tree } of SOURCES) {
  for (const root of tree) {
    walk(root, (node) => {
      for (const key of meant(textOf(node) ?? '')) used.add(key);
      const call = callOf(node);
      if (call) calls.push({ ...call, path });
    });
  }
}

/** The places of a text, whichever plural form it takes. */
function placesOf(key: string): string[] {
  const texts = Object.entries(ENGLISH_TEXTS).filter(([name]) => stem(name) === key);
  return [...new Set(texts.flatMap(([, text]) => places(text)))];
}

describe('texts', () => {
  it('are all used', () => {
    expect(KEYS.filter((key) => !used.has(key))).toEqual([]);
  });

  it('get their values, and no others', () => {
    const wrong = calls.filter(({ key, values }) => {
      // What is put together from parts may ask for more than one of its texts has a place for.
      if (values === null || !KEYS.includes(key)) return false;
      const wanted = [...placesOf(key), ...(`${key}_other` in ENGLISH_TEXTS ? ['count'] : [])];
      return [...new Set(wanted)].sort().join() !== [...values].sort().join();
    });
    expect(wrong).toEqual([]);
  });
});

describe('words', () => {
  it.each(SOURCES)('of $path are texts', ({ tree }) => {
    expect(tree.flatMap(wordsIn)).toEqual([]);
  });

  it.each([
    ['<p>Hello there</p>', 'Hello there'],
    ['<p>{count} things</p>', 'things'],
    ['<button aria-label="Close it">x</button>', 'Close it'],
    ['<Button label={open ? "Close" : t("a.b")} />', 'Close'],
    ['<p title="Size of {name}"></p>', 'Size of'],
    ['<p>{open ? "Shown" : "Hidden"}</p>', 'Shown'],
    ['<script>const label = { title: "Close" };</script>', 'Close'],
    ['<script>throw new Error("It did not work.");</script>', 'It did not work.'],
    ['<script>const words = `Reading ${name} now`;</script>', 'Reading'],
  ])('are found in %s', (source, words) => {
    const found = treeOf('a.svelte', source).flatMap(wordsIn);
    expect(found[0]).toContain(words);
  });

  it.each([
    '<p data-testid="Some thing">{name}</p>',
    '<p>{a === "Some Name" ? 1 : 2} · {t("chat.send")}</p>',
    '<p>Lantern</p>',
    '<script>const key = "ArrowUp"; const kind = "first-run";</script>',
    '<p class={open ? "Open" : ""}>—</p>',
  ])('are not found in %s', (source) => {
    expect(treeOf('a.svelte', source).flatMap((node: Node) => wordsIn(node))).toEqual([]);
  });
});
