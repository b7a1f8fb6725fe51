/** The languages that the window speaks. */
import type { Language } from '../../backend/types';

/** A language as it is stored, without the choice to follow the system. */
export type Tag = Exclude<Language, 'system'>;

interface Described {
  /** In the language itself, so that whoever speaks it finds it. */
  name: string;
  /** For `<html lang>`: it also chooses the shapes of letters that languages share. */
  html: string;
  dir: 'ltr' | 'rtl';
  /** For numbers and dates. Digits are 0 to 9 everywhere, as in the names of models and in the texts. */
  locale: string;
}

export const LANGUAGES: Record<Tag, Described> = {
  en: { name: 'English', html: 'en', dir: 'ltr', locale: 'en-GB' },
  de: { name: 'Deutsch', html: 'de', dir: 'ltr', locale: 'de' },
  es: { name: 'Español', html: 'es', dir: 'ltr', locale: 'es' },
  fr: { name: 'Français', html: 'fr', dir: 'ltr', locale: 'fr' },
  pt: { name: 'Português', html: 'pt', dir: 'ltr', locale: 'pt' },
  ja: { name: '日本語', html: 'ja', dir: 'ltr', locale: 'ja' },
  zh: { name: '简体中文', html: 'zh-Hans', dir: 'ltr', locale: 'zh-Hans' },
  ar: { name: 'العربية', html: 'ar', dir: 'rtl', locale: 'ar-u-nu-latn' },
};

export const TAGS = Object.keys(LANGUAGES) as Tag[];

/** The first of the system's languages that the window speaks, or English. */
export function spoken(system: readonly string[]): Tag {
  const known = system.map((one) => one.toLowerCase().split('-')[0]);
  return TAGS.find((tag) => tag === known.find((base) => TAGS.some((one) => one === base))) ?? 'en';
}
