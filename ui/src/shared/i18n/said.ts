/** What an error says in the language that is shown. */
import type { ErrorInfo } from '../../backend/types';
import { own } from './i18n.svelte';

export interface Said {
  message: string;
  nextStep: string;
  /** Where these are translated: the English words, which alone have the names and numbers of this error. */
  english: string | null;
}

/**
 * Translated by the error's code. A code that the language does not know, of a newer Lantern or of another server, is told
 * in English.
 */
export function said({ code, message, nextStep }: ErrorInfo): Said {
  const what = own(`errors.${code}.what`);
  if (what === null) return { message, nextStep, english: null };
  return {
    message: what,
    nextStep: own(`errors.${code}.next`) ?? '',
    english: `${message} ${nextStep}`.trim(),
  };
}

/** All of it in one piece, for where there is no room for parts. */
export function inOne(error: ErrorInfo): string {
  const { message, english } = said(error);
  return english === null ? message : `${message} (${english})`;
}
