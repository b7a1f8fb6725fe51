/** Who keeps files, in words. */
import type { PlaceOwner } from '../../backend/types';
import { t } from '../../shared/i18n';

export function ownerWords(owner: PlaceOwner): string {
  return t(`disk.owners.${owner}`);
}
