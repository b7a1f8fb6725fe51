import { expect, it } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatParameters,
  formatPercent,
  formatSeconds,
  formatTokens,
} from './format';

it('sizes', () => {
  expect([0, 999, 98_362_432, 999_960, 1_117_320_736, 3e12].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '98.4 MB',
    '1.0 MB',
    '1.1 GB',
    '3.0 TB',
  ]);
});

it('times', () => {
  expect([0.314, 8, 42.4, 150, 4800].map(formatSeconds)).toEqual([
    '0.31 s',
    '8.0 s',
    '42 s',
    '3 min',
    '1 h 20 min',
  ]);
});

it('counts', () => {
  expect(formatCount(8412)).toBe('8,412');
  expect([512, 8192, 131_072].map(formatTokens)).toEqual(['512', '8k', '128k']);
  expect([134_515_008, 1_543_714_304, 7e9].map(formatParameters)).toEqual(['135M', '1.5B', '7B']);
  expect(formatPercent(999, 1000)).toBe('99 %');
});
