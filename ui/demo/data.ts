/** What the application would say, made up for the quick loop and for tests. */
export * from './data/conversations';
export * from './data/downloads';
export * from './data/library';
export * from './data/settings';
export * from './data/time';
