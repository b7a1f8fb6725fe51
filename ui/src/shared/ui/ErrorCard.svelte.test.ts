import { flushSync, mount, unmount } from 'svelte';
import { afterEach, describe, expect, it } from 'vitest';
import type { ErrorInfo } from '../../backend/types';
import { inOne, said, setLanguage } from '../i18n';
import ErrorCard from './ErrorCard.svelte';
import NoticeBanner from './NoticeBanner.svelte';

const FULL: ErrorInfo = {
  code: 'disk_full',
  message: '4.1 GB are needed, 2.0 GB are free.',
  nextStep: 'Free 2.1 GB.',
};

afterEach(() => setLanguage('en'));

describe('an error', () => {
  it('is told in English as it came', async () => {
    await setLanguage('en');
    expect(said(FULL)).toEqual({ message: FULL.message, nextStep: FULL.nextStep, english: null });
    expect(inOne(FULL)).toBe(FULL.message);
  });

  it('is translated by its code, and keeps its numbers in English', async () => {
    await setLanguage('de');
    expect(said(FULL)).toEqual({
      message: 'Der Datenträger ist voll.',
      nextStep: 'Geben Sie Speicherplatz frei, und versuchen Sie es erneut.',
      english: '4.1 GB are needed, 2.0 GB are free. Free 2.1 GB.',
    });
  });

  it.each(['of_a_newer_lantern', '', 'a.b', '__proto__', 'constructor'])(
    'with the code %j, which nobody knows, is told in English',
    async (code) => {
      await setLanguage('ja');
      expect(said({ ...FULL, code })).toEqual({
        message: FULL.message,
        nextStep: FULL.nextStep,
        english: null,
      });
    },
  );

  it.each([
    [ErrorCard, { error: FULL }],
    [NoticeBanner, { info: FULL, ondismiss: () => {} }],
  ])('changes its language while it is shown, %#', async (Component, props) => {
    const component = mount(Component as typeof ErrorCard, {
      target: document.body,
      props: props as { error: ErrorInfo },
    });
    expect(document.body.textContent).toContain(FULL.nextStep);
    expect(document.body.querySelector('[lang="en"]')).toBeNull();
    await setLanguage('ar');
    flushSync();
    expect(document.body.textContent).toContain('القرص ممتلئ.');
    const cause = document.body.querySelector('[lang="en"]');
    expect(cause?.getAttribute('dir')).toBe('ltr');
    expect(cause?.textContent).toContain('2.0 GB');
    await unmount(component);
  });
});
