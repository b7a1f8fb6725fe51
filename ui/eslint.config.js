import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

const onlyBackendSpeaksToTheShell = {
  patterns: [
    {
      group: ['@tauri-apps/*'],
      message: 'Only src/backend speaks to the shell; add a method to Backend instead.',
    },
  ],
};

export default ts.config(
  { ignores: ['dist', 'shots', 'node_modules', 'src/backend/types'] },
  js.configs.recommended,
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: {
      parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'], svelteConfig },
    },
  },
  {
    rules: {
      // The compiler checks names in TypeScript better than this rule does.
      'no-undef': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      'svelte/require-each-key': 'error',
      'svelte/no-at-html-tags': 'error',
    },
  },
  {
    files: ['src/**'],
    ignores: ['src/backend/**'],
    rules: { 'no-restricted-imports': ['error', onlyBackendSpeaksToTheShell] },
  },
);
