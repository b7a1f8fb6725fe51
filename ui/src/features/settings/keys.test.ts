import { expect, it } from 'vitest';
import { pressedKeys } from './keys';

const press = (init: KeyboardEventInit) => pressedKeys(new KeyboardEvent('keydown', init));

it('says what was pressed in the words of the shell', () => {
  expect(press({ key: ' ', code: 'Space', ctrlKey: true, shiftKey: true })).toBe(
    'Ctrl+Shift+Space',
  );
  expect(press({ key: 'l', code: 'KeyL', metaKey: true })).toBe('Super+L');
  expect(press({ key: '1', code: 'Digit1', altKey: true })).toBe('Alt+1');
  expect(press({ key: 'Control', code: 'ControlLeft', ctrlKey: true })).toBeNull();
});
