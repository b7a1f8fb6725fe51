export type { Key } from './english';
export {
  chooseLanguage,
  language,
  locale,
  setLanguage,
  startLanguage,
  t,
  type Values,
} from './i18n.svelte';
export { LANGUAGES, TAGS, type Tag } from './languages';
