export type { Key } from './english';
export { chooseLanguage, language, locale, setLanguage, startLanguage, t } from './i18n.svelte';
export { LANGUAGES, TAGS, type Tag } from './languages';
export type { Values } from './values';
