import { describe, expect, it } from 'vitest';
import { ariaKeys, isPressed, keyCaps, parseChord } from './chords';

const press = (key: string, held: KeyboardEventInit = {}) =>
  new KeyboardEvent('keydown', { key, ...held });

describe('chords', () => {
  it('are written as each system writes them', () => {
    expect(keyCaps(parseChord('Mod+Shift+F'), false)).toEqual(['Ctrl', 'Shift', 'F']);
    expect(keyCaps(parseChord('Mod+Shift+F'), true)).toEqual(['⌘', '⇧', 'F']);
    expect(keyCaps(parseChord('Alt+ArrowUp'), true)).toEqual(['⌥', '↑']);
    expect(ariaKeys(parseChord('Mod+,'), true)).toBe('Meta+,');
  });

  it('know the plus key', () => {
    expect(parseChord('Mod++')).toEqual({ mod: true, shift: false, alt: false, key: '+' });
  });

  it('are pressed with exactly the keys they name', () => {
    const find = parseChord('Mod+Shift+F');
    expect(isPressed(find, press('F', { ctrlKey: true, shiftKey: true }), false)).toBe(true);
    expect(isPressed(find, press('f', { ctrlKey: true }), false)).toBe(false);
    expect(isPressed(find, press('F', { metaKey: true, shiftKey: true }), false)).toBe(false);
    expect(isPressed(find, press('F', { metaKey: true, shiftKey: true }), true)).toBe(true);
    const chat = parseChord('Mod+N');
    expect(isPressed(chat, press('n', { ctrlKey: true, altKey: true }), false)).toBe(false);
    expect(isPressed(chat, press('N', { ctrlKey: true, shiftKey: true }), false)).toBe(false);
  });

  it('take signs however the keyboard makes them', () => {
    expect(isPressed(parseChord('?'), press('?', { shiftKey: true }), false)).toBe(true);
    expect(
      isPressed(parseChord('Mod++'), press('+', { ctrlKey: true, shiftKey: true }), false),
    ).toBe(true);
  });
});
