import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ChangeWatch, type WatchFile } from '../../src/sqlite/change-watch.js';

describe('What others write to the file', () => {
  let looks = 0;
  let noticed = 0;
  let hasChanged = false;
  let onWrite = () => {};
  let watch: ChangeWatch;

  beforeEach(() => {
    jest.useFakeTimers();
    looks = noticed = 0;
    hasChanged = false;
  });

  afterEach(() => {
    watch.close();
    jest.useRealTimers();
  });

  function start(watchFile: WatchFile): void {
    watch = new ChangeWatch(
      {
        path: 'events.db-wal',
        hasChanged: () => {
          looks++;
          const found = hasChanged;
          hasChanged = false;
          return found;
        },
        onChanged: () => noticed++,
      },
      watchFile,
    );
  }

  const telling: WatchFile = (_, listener) => {
    onWrite = listener;
    return Object.assign(new EventEmitter(), { close: () => {} });
  };
  const silent: WatchFile = () => Object.assign(new EventEmitter(), { close() {} });

  it('is looked for ten times a second while nothing is written', () => {
    start(telling);
    jest.advanceTimersByTime(10_000);
    expect(looks).toBeLessThanOrEqual(102);
  });

  it('is noticed some milliseconds after the file system has told of it', () => {
    start(telling);
    jest.advanceTimersByTime(1_030);
    hasChanged = true;
    onWrite();
    jest.advanceTimersByTime(5);
    expect(noticed).toBe(1);
  });

  it('is noticed though it is committed long after it was begun', () => {
    start(telling);
    jest.advanceTimersByTime(1_030);
    onWrite();
    jest.advanceTimersByTime(150);
    hasChanged = true;
    jest.advanceTimersByTime(12);
    expect(noticed).toBe(1);
  });

  it('is not looked for more often the more is written', () => {
    start(telling);
    for (let millisecond = 0; millisecond < 1_000; millisecond++) {
      onWrite();
      onWrite();
      jest.advanceTimersByTime(1);
    }
    expect(looks).toBeLessThanOrEqual(1_000 / 12 + 2);
  });

  it.each<[string, WatchFile]>([
    ['tells of nothing', silent],
    [
      'can watch no file',
      () => {
        throw new Error('ENOSPC');
      },
    ],
  ])('is looked for often where the file system %s', (_, watchFile) => {
    start(watchFile);
    for (let count = 0; count < 2; count++) {
      hasChanged = true;
      jest.advanceTimersByTime(100);
    }
    expect(noticed).toBe(2);
    hasChanged = true;
    jest.advanceTimersByTime(12);
    expect(noticed).toBe(3);
  });

  it('is looked for often when watching has failed', () => {
    const emitter = new EventEmitter();
    start(() => Object.assign(emitter, { close() {} }));
    jest.advanceTimersByTime(500);
    emitter.emit('error', new Error('gone'));
    jest.advanceTimersByTime(100);
    hasChanged = true;
    jest.advanceTimersByTime(12);
    expect(noticed).toBe(1);
  });

  it('is looked for while this process writes itself, of which the file system is not to tell', () => {
    let listening = 0;
    start((_, listener) => {
      onWrite = listener;
      listening++;
      return Object.assign(new EventEmitter(), { close: () => listening-- });
    });
    jest.advanceTimersByTime(1_030);
    for (let millisecond = 0; millisecond < 500; millisecond++) {
      watch.onOwnWrite();
      expect(listening).toBe(0);
      jest.advanceTimersByTime(1);
    }
    hasChanged = true;
    jest.advanceTimersByTime(12);
    expect(noticed).toBe(1);
    jest.advanceTimersByTime(250);
    expect(listening).toBe(1);
    looks = 0;
    jest.advanceTimersByTime(1_000);
    expect(looks).toBeLessThanOrEqual(11);
    hasChanged = true;
    onWrite();
    jest.advanceTimersByTime(5);
    expect(noticed).toBe(2);
  });

  it('is found by who began to listen again, though it came before', () => {
    start((...told) => {
      // Between the last look and the sign that would have told of it.
      hasChanged ||= looks > 0;
      return telling(...told);
    });
    jest.advanceTimersByTime(1_030);
    for (let count = 1; count <= 3; count++) {
      watch.onOwnWrite();
      jest.advanceTimersByTime(300);
      expect(noticed).toBe(count);
    }
    // Nor was it the file system that did not tell.
    looks = 0;
    jest.advanceTimersByTime(1_000);
    expect(looks).toBeLessThanOrEqual(11);
  });

  it('is of no interest any more once it is closed', () => {
    start(telling);
    watch.close();
    jest.advanceTimersByTime(1_000);
    expect(looks).toBe(0);
  });
});
