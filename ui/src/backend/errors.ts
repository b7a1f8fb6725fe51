/** Turns whatever a call can reject with into the one error shape the window shows. */
import type { ErrorInfo } from './types';
import { t } from '../shared/i18n';

export function isErrorInfo(value: unknown): value is ErrorInfo {
  if (typeof value !== 'object' || value === null) return false;
  const candidate = value as Record<string, unknown>;
  return typeof candidate.code === 'string' && typeof candidate.message === 'string';
}

export function toErrorInfo(cause: unknown): ErrorInfo {
  if (isErrorInfo(cause)) return { ...cause, nextStep: cause.nextStep ?? '' };
  const message =
    cause instanceof Error
      ? cause.message
      : typeof cause === 'string'
        ? cause
        : JSON.stringify(cause);
  return {
    code: 'unexpected',
    message: message || t('common.unexpected.message'),
    nextStep: t('common.unexpected.nextStep'),
  };
}

/** Runs something that may fail: why it failed, or `null`. */
export async function failureOf(action: () => Promise<unknown>): Promise<ErrorInfo | null> {
  try {
    await action();
    return null;
  } catch (cause) {
    return toErrorInfo(cause);
  }
}
