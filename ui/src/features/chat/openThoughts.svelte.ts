/** The answers whose thoughts are unfolded: kept outside of the messages, which come and go as the list scrolls. */
import { SvelteSet } from 'svelte/reactivity';

export const openThoughts = new SvelteSet<string>();
