/** Who keeps files, and what can be had back, in words. */
import type { PlaceOwner, ReclaimKind } from '../../backend/types';

export const OWNERS: Record<PlaceOwner, string> = {
  hub_cache: 'Hugging Face cache',
  lantern: 'Copied into Lantern',
  file: 'Used where it lies',
  folder: 'A folder of yours',
  lm_studio: 'LM Studio',
  ollama: 'Ollama',
  jan: 'Jan',
  gpt4all: 'GPT4All',
};

export const RECLAIM: Record<ReclaimKind, { name: string; what: string }> = {
  trash: {
    name: 'Deleted models',
    what: 'They can be restored until they are gone for good.',
  },
  parts: {
    name: 'Unfinished downloads',
    what: 'Nobody has gone on with them for a day. They would begin anew.',
  },
  old_revisions: {
    name: 'Replaced files',
    what: 'In the shared cache, where newer ones of the same name have come.',
  },
  orphan_blobs: {
    name: 'Contents without a name',
    what: 'In the shared cache, where no file leads to them any more.',
  },
  packed_copies: {
    name: 'Copies for faster loading',
    what: 'They are made again when a model is loaded, if the settings ask for them.',
  },
  converted: {
    name: 'Converted models',
    what: 'Made of folders of safetensors files, and made again when they are asked for.',
  },
  prefixes: {
    name: 'Computed conversations',
    what: 'Long conversations begin more slowly the next time.',
  },
};
