/** For tests: the texts of a language, flat, and what a text asks for. */
import { ENGLISH } from '../english';

export type Flat = Record<string, string>;

const PLURAL = /_(zero|one|two|few|many|other)$/;

export function flat(texts: object, path = ''): Flat {
  const entries = Object.entries(texts).flatMap(([name, value]: [string, string | object]) =>
    typeof value === 'string'
      ? [[path + name, value] as const]
      : Object.entries(flat(value, `${path}${name}.`)),
  );
  return Object.fromEntries(entries);
}

export const ENGLISH_TEXTS = flat(ENGLISH);

/** The key that the window asks for. */
export function stem(key: string): string {
  return key.replace(PLURAL, '');
}

/** The keys that a language has for these of English: one for each of its plural forms. */
export function keysFor(language: string, english: Flat): string[] {
  const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
  const keys = Object.keys(english).flatMap((key) =>
    PLURAL.test(key) ? forms.map((form) => `${stem(key)}_${form}`) : [key],
  );
  return [...new Set(keys)].sort();
}

/** The names that stand in `{{}}`, without how they are written. */
export function places(text: string): string[] {
  const found = [...text.matchAll(/\{\{\s*([^},]*?)\s*(?:,[^}]*)?\}\}/g)].map(
    ([, name]) => name ?? '',
  );
  return [...new Set(found)].sort();
}
