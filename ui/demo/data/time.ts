/** The moment at which everything made up is looked at, and spans of time before it, in milliseconds. */
export const NOW = Date.now();
export const HOUR = 3_600_000;
export const MINUTE = 60_000;
export const DAY = 24 * HOUR;
