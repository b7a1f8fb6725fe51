import { expect, it } from 'vitest';
import type { ImportedFile } from '../../backend/types';
import { titleOf } from './imported';

const FILE: ImportedFile = {
  name: '/home/ada/export.json',
  source: null,
  conversations: 0,
  messages: 0,
  known: 0,
  kept: [],
  left: [],
  error: null,
};
const error = { code: 'import_unreadable', message: 'It is cut off.', nextStep: 'Export again.' };

it.each([
  [[{ conversations: 2 }, { error }], '2 conversations are new here'],
  [[{ error }], 'Nothing was imported'],
  [[{ known: 3 }, { error }], 'Nothing was imported'],
  [[{ known: 3 }], 'Nothing new: all of it was here already'],
  [[{}], 'No conversations were found'],
  [[], 'No conversations were found'],
])('an import of %j is titled %s', (files, title) => {
  expect(titleOf({ files: files.map((file) => ({ ...FILE, ...file })) })).toBe(title);
});
