import { flushSync, mount, unmount } from 'svelte';
import { afterEach, expect, it, vi } from 'vitest';
import BranchSwitcher from '../../features/chat/BranchSwitcher.svelte';
import { formatBytes, formatCount, formatSeconds } from '../format';
import { chooseLanguage, language, setLanguage, startLanguage, t } from '.';

vi.mock('./de', () => ({
  default: { './chat.json': { branch: { next: 'Nächste Fassung', previous: '' } } },
}));

afterEach(() => setLanguage('en'));

function system(...languages: string[]) {
  vi.spyOn(navigator, 'languages', 'get').mockReturnValue(languages);
}

function storage(language: string | null) {
  return { getItem: () => language, setItem: vi.fn() };
}

it('a text that is not translated, or empty, is shown in English', async () => {
  await setLanguage('de');
  expect(t('chat.branch.next')).toBe('Nächste Fassung');
  expect(t('chat.branch.previous')).toBe('Previous version');
  expect(t('chat.branch.label')).toBe('Versions of this message');
});

it('what stands in a text is taken as it is', () => {
  const value = '<b>$t(chat.branch.next) {{value}}';
  expect(t('common.units.seconds', { value })).toBe(`${value} s`);
});

it('a change draws everything anew', async () => {
  const alternatives = ['a', 'b'];
  const node = { id: 'a', alternatives, index: 0 } as never;
  const props = { node, disabled: false, onselect: () => {} };
  const component = mount(BranchSwitcher, { target: document.body, props });
  expect(document.querySelector('[aria-label="Next version"]')).not.toBeNull();
  await setLanguage('de');
  flushSync();
  expect(document.querySelector('[aria-label="Next version"]')).toBeNull();
  expect(document.querySelector('[aria-label="Nächste Fassung"]')).not.toBeNull();
  await unmount(component);
});

it('numbers are written as the language does, with the same digits everywhere', async () => {
  const written = () => [formatCount(8412.5), formatBytes(98_362_432), formatSeconds(0.314)];
  expect(written()).toEqual(['8,412.5', '98.4 MB', '0.31 s']);
  await setLanguage('de');
  expect(written()).toEqual(['8.412,5', '98,4 MB', '0,31 s']);
  await setLanguage('ar');
  expect(written()[0]).toBe('8,412.5');
});

it('the page says its language and direction', async () => {
  const { documentElement: root } = document;
  await setLanguage('ar');
  expect([root.lang, root.dir]).toEqual(['ar', 'rtl']);
  await setLanguage('zh');
  expect([root.lang, root.dir]).toEqual(['zh-Hans', 'ltr']);
});

it.each([
  [['de-AT', 'en-US'], 'de'],
  [['nl', 'pt-BR', 'de'], 'pt'],
  [['ZH-TW'], 'zh'],
  [['nl'], 'en'],
  [[], 'en'],
])('the system, which speaks %j, makes it %s', async (languages, expected) => {
  system(...languages);
  await setLanguage('system');
  expect(language()).toBe(expected);
});

it('the last of two choices counts', async () => {
  await Promise.all([setLanguage('fr'), setLanguage('en')]);
  expect(language()).toBe('en');
});

it('a window begins in the language of last time', async () => {
  system('es');
  await startLanguage(storage('ja'));
  expect(language()).toBe('ja');
  await startLanguage(storage('klingon'));
  expect(language()).toBe('es');
  const kept = storage(null);
  chooseLanguage('ar', kept);
  expect(kept.setItem).toHaveBeenCalledExactlyOnceWith('lantern.language', 'ar');
});

it('while it follows the system, so it does when the system changes', async () => {
  system('es');
  await startLanguage(storage(null));
  system('fr');
  dispatchEvent(new Event('languagechange'));
  await vi.waitFor(() => expect(language()).toBe('fr'));
  await setLanguage('de');
  dispatchEvent(new Event('languagechange'));
  await setLanguage('de');
  expect(language()).toBe('de');
});
