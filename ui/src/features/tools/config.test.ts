import { describe, expect, it } from 'vitest';
import {
  EMPTY,
  allowedName,
  joinCommand,
  readPasted,
  readValues,
  splitCommand,
  transportOf,
} from './config';

describe('command lines', () => {
  it.each([
    ['npx -y  server /a', ['npx', '-y', 'server', '/a']],
    ['"C:\\Program Files\\x.exe" --a', ['C:\\Program Files\\x.exe', '--a']],
    [`sh -c 'echo "hi"; rm -rf $HOME'`, ['sh', '-c', 'echo "hi"; rm -rf $HOME']],
    ['a "" b', ['a', '', 'b']],
    ['  ', []],
  ])('%s', (line, words) => {
    expect(splitCommand(line)).toEqual(words);
    expect(splitCommand(joinCommand(words))).toEqual(words);
  });

  it('come back as they were, whatever quotes are in them', () => {
    const words = [`it's`, `"both" 'kinds'`, 'a b', '', `'`];
    expect(splitCommand(joinCommand(words))).toEqual(words);
  });
});

describe('pasted JSON', () => {
  it('fills the form from what other programs use', () => {
    const pasted = JSON.stringify({
      mcpServers: {
        'my files!': {
          command: 'npx',
          args: ['-y', 'server-files', '/home/a b'],
          env: { KEY: 'k=1' },
        },
        web: { url: 'https://a.example/mcp', headers: { Authorization: 'Bearer x' } },
        nothing: { type: 'other' },
      },
    });
    const forms = readPasted(pasted)!;
    expect(forms).toHaveLength(2);
    expect(forms[0]).toMatchObject({
      name: 'my-files',
      kind: 'command',
      command: 'npx -y server-files "/home/a b"',
      values: 'KEY=k=1',
    });
    expect(transportOf(forms[0]!)).toEqual({
      type: 'command',
      command: 'npx',
      args: ['-y', 'server-files', '/home/a b'],
      env: { KEY: 'k=1' },
      folder: null,
    });
    expect(transportOf(forms[1]!)).toEqual({
      type: 'http',
      url: 'https://a.example/mcp',
      headers: { Authorization: 'Bearer x' },
    });
  });

  it('takes an entry with its name, and one alone', () => {
    expect(readPasted('{"x": {"command": "a"}}')?.[0]).toMatchObject({ name: 'x', command: 'a' });
    expect(readPasted('{"command": "a", "cwd": "/b"}')?.[0]).toMatchObject({ folder: '/b' });
  });

  it.each(['', '[]', '{}', 'null', '{"mcpServers": {}}', '{"mcpServers": {"a": 1}}', 'npx -y x'])(
    'is none: %s',
    (text) => expect(readPasted(text)).toBeNull(),
  );
});

it('reads variables and headers', () => {
  expect(readValues('A=1\n\nX-Key: a:b\nnothing\n=x')).toEqual({ A: '1', 'X-Key': 'a:b' });
  expect(allowedName('  @scope/server.x ')).toBe('scope-server-x');
  expect(transportOf({ ...EMPTY, command: '' })).toMatchObject({ command: '', args: [] });
});
