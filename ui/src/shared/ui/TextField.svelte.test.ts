import { flushSync, mount, unmount } from 'svelte';
import { expect, it } from 'vitest';
import TextField from './TextField.svelte';

it('is named, filled in, and told why its value is refused', () => {
  const props = $state({
    label: 'Port',
    testid: 'port',
    type: 'number',
    value: 1 as number | null,
  });
  const more = $state({ help: 'Any that is free.', wrong: null as string | null });
  const field = mount(TextField, {
    target: document.body,
    props: {
      get label() {
        return props.label;
      },
      testid: 'port',
      type: 'number',
      get value() {
        return props.value;
      },
      set value(value) {
        props.value = value;
      },
      get help() {
        return more.help;
      },
      get wrong() {
        return more.wrong;
      },
    },
  });
  const input = document.querySelector<HTMLInputElement>('[data-testid="port"]')!;
  const words = () => document.getElementById(input.getAttribute('aria-describedby')!)!;
  expect(input.labels![0]!.textContent).toBe('Port');
  expect(words().textContent).toBe('Any that is free.');
  input.value = '8080';
  input.dispatchEvent(new Event('input', { bubbles: true }));
  flushSync();
  expect(props.value).toBe(8080);
  more.wrong = 'It is taken.';
  flushSync();
  expect(words().textContent).toBe('It is taken.');
  expect(input.getAttribute('aria-invalid')).toBe('true');
  void unmount(field);
});
