import { expect, it } from 'vitest';
import { MessageQueue } from './queue.svelte';

it('gives messages in the order in which they came, as they were changed', () => {
  const queue = new MessageQueue();
  for (const words of ['one', '  two ', '   ', 'three']) queue.add(words);
  expect(queue.waiting.map(({ content }) => content)).toEqual(['one', 'two', 'three']);
  queue.change(queue.waiting[1]!.id, 'second');
  queue.remove(queue.waiting[2]!.id);
  expect([queue.take(), queue.take(), queue.take()]).toEqual(['one', 'second', null]);
});

it('takes a message out that is emptied', () => {
  const queue = new MessageQueue();
  queue.add('one');
  queue.change(queue.waiting[0]!.id, ' ');
  expect(queue.take()).toBeNull();
});
