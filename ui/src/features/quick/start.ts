/** Starts the page of the window for quick questions. */
import { mount } from 'svelte';
import type { Backend } from '../../backend';
import { QuickController } from './quick.svelte';
import Quick from './Quick.svelte';

export function startQuick(target: HTMLElement, backend: Backend): void {
  const quick = new QuickController(backend);
  mount(Quick, { target, props: { quick } });
  void quick.start();
}
