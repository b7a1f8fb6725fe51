import { expect, it, vi } from 'vitest';
import { DISK, FOLDERS, REMOVED } from '../../../demo/models';
import { fakeBackend } from '../../backend/fake';
import type { ErrorInfo, ReclaimKind } from '../../backend/types';
import { DiskController } from './disk.svelte';

const REFUSED: ErrorInfo = { code: 'not_writable', message: 'No.', nextStep: 'Allow it.' };

function controller(overrides = {}) {
  return new DiskController(
    fakeBackend({
      diskUse: () => Promise.resolve(DISK),
      removedModels: () => Promise.resolve(REMOVED),
      libraryFolders: () => Promise.resolve(FOLDERS),
      ...overrides,
    }),
  );
}

it('several kinds are had back one after the other, and their bytes add up', async () => {
  const reclaim = vi.fn((kind: ReclaimKind) => Promise.resolve(kind === 'trash' ? 40 : 2));
  const disk = controller({ reclaim });
  await disk.reclaim(['trash', 'parts']);
  expect(disk.freed).toBe(42);
  expect(disk.use).toEqual(DISK);
});

it('what is refused is told, and what was known stays', async () => {
  const disk = controller({ addLibraryFolder: () => Promise.reject(REFUSED) });
  await disk.refresh();
  await disk.useFolder('/mnt/x', true);
  expect(disk.error).toEqual(REFUSED);
  expect(disk.folders).toEqual(FOLDERS);
  expect(disk.busy).toBe(false);
});

it('a folder is added only if one was chosen', async () => {
  const addLibraryFolder = vi.fn(() => Promise.resolve());
  let path: string | null = null;
  const disk = controller({ addLibraryFolder, chooseFolder: () => Promise.resolve(path) });
  await disk.chooseFolder();
  expect(addLibraryFolder).not.toHaveBeenCalled();
  path = '/mnt/models';
  await disk.chooseFolder();
  expect(addLibraryFolder).toHaveBeenCalledWith('/mnt/models');
});
