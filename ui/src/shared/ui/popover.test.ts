import { afterEach, beforeEach, expect, it } from 'vitest';
import { moveInMenu } from './popover.svelte';

let menu: HTMLElement;
let now = 1000;

beforeEach(() => {
  menu = document.createElement('div');
  for (const name of ['Pin', 'Rename', 'Print', 'Archive', 'New folder']) {
    const item = document.createElement('button');
    item.setAttribute('role', 'menuitem');
    item.textContent = name;
    menu.append(item);
  }
  document.body.append(menu);
  menu.querySelector('button')!.focus();
});

afterEach(() => {
  menu.remove();
  now += 10_000;
});

/** Presses a key so long after the last, in milliseconds; whether it moved. */
function press(key: string, after = 100, extra: KeyboardEventInit = {}) {
  now += after;
  const event = new KeyboardEvent('keydown', { key, cancelable: true, ...extra });
  Object.defineProperty(event, 'timeStamp', { value: now });
  return moveInMenu(event, menu);
}

const focused = () => document.activeElement?.textContent;

it('arrows move round a menu', () => {
  press('ArrowUp');
  expect(focused()).toBe('New folder');
  press('ArrowDown');
  expect(focused()).toBe('Pin');
  expect(press('Enter')).toBe(false);
});

it('letters move to what begins with them', () => {
  press('r');
  expect(focused()).toBe('Rename');
  press('a', 2000);
  expect(focused()).toBe('Archive');
  press('x', 2000);
  expect(focused(), 'nothing begins so').toBe('Archive');
});

it('the same letter goes on to the next, a word does not', () => {
  press('p');
  expect(focused()).toBe('Print');
  press('p');
  expect(focused()).toBe('Pin');
  press('P', 2000);
  press('r');
  press('i');
  expect(focused()).toBe('Print');
  for (const key of 'new f') press(key, key === 'n' ? 2000 : 50);
  expect(focused()).toBe('New folder');
});

it('a space alone presses the item, and what is held with a key is no letter', () => {
  expect(press(' ')).toBe(false);
  press('r', 2000);
  expect(press(' '), 'no item goes on with a space there').toBe(false);
  press('p', 2000);
  press('p');
  expect(press('r', 2000, { ctrlKey: true })).toBe(false);
  expect(focused()).toBe('Pin');
});
