export type { Key } from './english';
export {
  chooseLanguage,
  direction,
  language,
  locale,
  setLanguage,
  startLanguage,
  t,
} from './i18n.svelte';
export { inOne, said, type Said } from './said';
export { LANGUAGES, TAGS, type Tag } from './languages';
export type { Values } from './values';
