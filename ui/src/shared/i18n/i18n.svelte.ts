/** The words of the window in the language that was chosen. Reading them is reactive: a change draws everything anew. */
import { createInstance } from 'i18next';
import type { Language } from '../../backend/types';
import { ENGLISH, type Key } from './english';
import { LANGUAGES, spoken, type Tag } from './languages';
import { isolated, type Values } from './values';

type Texts = Record<string, object>;

const OTHERS: Record<Exclude<Tag, 'en'>, () => Promise<{ default: Texts }>> = {
  de: () => import('./de'),
  es: () => import('./es'),
  fr: () => import('./fr'),
  pt: () => import('./pt'),
  ja: () => import('./ja'),
  zh: () => import('./zh'),
  ar: () => import('./ar'),
};

/** Where the last choice is kept, so that a window begins in its language before it has read the settings. */
const REMEMBERED = 'lantern.language';

let tag = $state.raw<Tag>('en');
let asked: Language = 'system';

const i18n = createInstance();
void i18n.init({
  lng: 'en',
  fallbackLng: 'en',
  initAsync: false,
  // A key is one path from its namespace on; none holds a colon.
  nsSeparator: false,
  // An empty text is one that is still to be translated.
  returnEmptyString: false,
  // Svelte escapes.
  interpolation: { escapeValue: false },
  resources: { en: { translation: ENGLISH } },
});
i18n.services.formatter?.add('number', (value: unknown) => Number(value).toLocaleString(locale()));
// For a name in the middle of a sentence, in languages that write it small there.
i18n.services.formatter?.add('lower', (value: unknown) =>
  String(value).toLocaleLowerCase(locale()),
);

/** A text by its key. `{{count}}` is a bare number in it, `{{count, number}}` one with separators. */
export function t(key: Key, values: Values = {}): string {
  const replace = direction() === 'rtl' ? isolated(values) : values;
  return i18n.t(key, { replace, count: values.count, lng: tag });
}

/** A text that only other languages than English have; `null` where this one lacks it. */
export function own(path: string): string | null {
  const found: unknown = tag === 'en' ? null : i18n.getResource(tag, 'translation', path);
  return typeof found === 'string' ? found : null;
}

/** The language that is shown. */
export function language(): Tag {
  return tag;
}

/** Where its words run to. */
export function direction(): 'ltr' | 'rtl' {
  return LANGUAGES[tag].dir;
}

/** For `Intl`. */
export function locale(): string {
  return LANGUAGES[tag].locale;
}

/** Shows a language, and tells the page its name and direction. Resolves once its texts are there. */
export async function setLanguage(wanted: Language): Promise<void> {
  asked = wanted;
  const next = wanted === 'system' ? spoken(navigator.languages) : wanted;
  await load(next);
  // Another may have been asked for meanwhile.
  if (asked !== wanted) return;
  tag = next;
  document.documentElement.lang = LANGUAGES[next].html;
  document.documentElement.dir = LANGUAGES[next].dir;
}

/** Adds a language's texts. Without them the window stays in English, as for a language that is half translated. */
async function load(next: Tag): Promise<void> {
  if (next === 'en' || i18n.hasResourceBundle(next, 'translation')) return;
  const files = await OTHERS[next]().then(
    (chunk) => chunk.default,
    () => ({}),
  );
  const texts = Object.entries(files).map(([path, one]) => [
    path.slice('./'.length, -'.json'.length),
    one,
  ]);
  i18n.addResourceBundle(next, 'translation', Object.fromEntries(texts));
}

/** As the settings say; remembered for the next start. */
export function chooseLanguage(wanted: Language, storage: Pick<Storage, 'setItem'>): void {
  storage.setItem(REMEMBERED, wanted);
  void setLanguage(wanted);
}

/** Before the settings are read: as they said last time, else as the system says. */
export async function startLanguage(storage: Pick<Storage, 'getItem'>): Promise<void> {
  const remembered = storage.getItem(REMEMBERED);
  await setLanguage(
    remembered !== null && remembered in LANGUAGES ? (remembered as Tag) : 'system',
  );
  addEventListener('languagechange', () => {
    if (asked === 'system') void setLanguage('system');
  });
}
