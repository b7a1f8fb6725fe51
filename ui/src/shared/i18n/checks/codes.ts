/** For tests: the codes of errors, as the sources in Rust give them. */
import { readdirSync, readFileSync } from 'node:fs';

/** What can fail behind the window. The command line and the kernels' own errors never get there. */
const FOLDERS = [
  ...[
    'app',
    'convert',
    'engine',
    'exchange',
    'gguf',
    'hub',
    'knowledge',
    'remote',
    'store',
    'tools',
  ].map((name) => `../crates/${name}/src`),
  '../models/src',
  '../src-tauri/src',
];

const FILES = [
  ...FOLDERS.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.rs'))
      .map((path) => `${folder}/${path}`),
  ),
  // Of the endpoint, why it did not start; what it tells programs is theirs.
  '../crates/server/src/error.rs',
];

const CODE = /"([a-z][a-z0-9_]*)"/g;

/** Where a code is given: the first thing in the brackets, or behind `code:`. */
const GIVEN =
  /(?:AppError::new\(|Self::new\(\s*(?=")|\bcode: (?=["\w])(?!&|String|Option|u32|0 )|\.problem\((?!\)))\s*((?:if [^{]*\{[^}]*\} else \{[^}]*\})|[^,]*?)(?:\.into\(\))?,/g;

/** What passes on a code that is given elsewhere. */
const PASSED =
  /^(?:(?:\w+\.)*code(?:\(\))?(?:\.into\(\)|\.to_owned\(\))?|&\w+\.code|Some\(self\.info\.code\.clone\(\)\)|code: &str.*)$/;

/** A function that names codes, up to its end at the same depth. */
const NAMING = /^( *)(?:pub )?fn (?:\w+_)?code\(.*?-> &'static str \{$[^]*?^\1\}$/gm;

export interface Found {
  codes: Set<string>;
  /** Codes that are given in a way that this cannot read. */
  unread: string[];
}

/** The codes in a source. */
export function codesIn(source: string): Found {
  const text = source.replace(/^#\[cfg\((?:all\()?test\b[^]*/m, '').replace(/^\s*\/\/.*$/gm, '');
  const codes = new Set<string>();
  const unread: string[] = [];
  const add = (piece: string) => {
    const found = [...piece.matchAll(CODE)].map(([, code]) => code ?? '');
    for (const code of found) codes.add(code);
    return found.length > 0;
  };
  for (const [body] of text.matchAll(NAMING)) add(body);
  for (const [, given = ''] of text.matchAll(GIVEN)) {
    if (!add(given) && !PASSED.test(given.trim())) unread.push(given.trim());
  }
  return { codes, unread };
}

/** The codes in all sources. */
export function codesOfRust(): Found {
  const codes = new Set<string>();
  const unread: string[] = [];
  for (const path of FILES) {
    const found = codesIn(readFileSync(path, 'utf8'));
    for (const code of found.codes) codes.add(code);
    unread.push(...found.unread.map((given) => `${path}: ${given}`));
  }
  return { codes, unread };
}
