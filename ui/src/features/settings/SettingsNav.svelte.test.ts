import { flushSync, mount, unmount } from 'svelte';
import { afterEach, describe, expect, it } from 'vitest';
import { partInView } from './inView';
import SettingsNav from './SettingsNav.svelte';

describe('the part in view', () => {
  it.each([
    [[0, 500, 900], false, 0],
    [[40, 500, 900], false, 0],
    [[-400, 100, 500], false, 1],
    [[-400, 250, 500], false, 0],
    [[-900, -400, 240], false, 2],
    [[-400, 300, 500], true, 2],
  ])('of parts at %j (at the end: %s) is number %i', (tops, atEnd, found) => {
    expect(partInView(tops, 800, atEnd)).toBe(found);
  });
});

describe('the list of parts', () => {
  afterEach(() => document.body.replaceChildren());

  /** Parts of 500 pixels each in a view of 600; the page scrolls as far as there is something. */
  function shown() {
    const ids = ['one', 'two', 'three'];
    const page = document.createElement('div');
    page.className = 'page';
    const target = document.createElement('div');
    page.append(target, ...ids.map((id) => Object.assign(document.createElement('div'), { id })));
    document.body.append(page);
    Object.defineProperty(page, 'scrollHeight', { value: 1500 });
    page.getBoundingClientRect = () => new DOMRect(0, 0, 800, 600);
    ids.forEach((id, index) => {
      const part = document.getElementById(id)!;
      part.getBoundingClientRect = () => new DOMRect(0, 500 * index - page.scrollTop, 800, 500);
      part.scrollIntoView = () => void (page.scrollTop = Math.min(500 * index, 900));
    });
    const parts = ids.map((id) => ({ id, title: id }));
    const nav = mount(SettingsNav, { target, props: { parts } });
    flushSync();
    const scroll = (top?: number) => {
      if (top !== undefined) page.scrollTop = top;
      page.dispatchEvent(new Event('scroll'));
      flushSync();
    };
    const marked = () =>
      [...page.querySelectorAll('[aria-current="location"]')].map((one) => one.textContent);
    return { page, nav, scroll, marked };
  }

  it('marks the one in view while the page is scrolled', () => {
    const { nav, scroll, marked } = shown();
    expect(marked()).toEqual(['one']);
    scroll(480);
    expect(marked()).toEqual(['two']);
    scroll(900);
    expect(marked()).toEqual(['three']);
    scroll(0);
    expect(marked()).toEqual(['one']);
    void unmount(nav);
  });

  it('marks the one that was asked for, even where the page ends before it', () => {
    const { page, nav, scroll, marked } = shown();
    document.getElementById('two')!.scrollIntoView = () => void (page.scrollTop = 900);
    page.querySelector<HTMLButtonElement>('[data-part="two"]')!.click();
    scroll();
    expect(marked()).toEqual(['two']);
    scroll(0);
    expect(marked()).toEqual(['one']);
    void unmount(nav);
  });
});
