import Database from 'better-sqlite3';
import type { ChildProcess } from 'node:child_process';
import { setTimeout as elapse } from 'node:timers/promises';
import type { Proxy } from '../redis/support/proxy.js';
import type { RedisServer } from '../redis/support/redis-server.js';
import type { Random } from './random.js';

/** What may happen to what orders the log. */
export interface StoreFaults {
  /** Breaks connections that are made anew at once. */
  disconnect(random: Random): Promise<void>;
  /** For a while nobody can write; for longer than a lease. */
  silence(milliseconds: number): Promise<void>;
  /** Has a process stand still, but not while the others would have to wait for it. */
  stop(child: ChildProcess): Promise<void>;
}

/** @param proxy that the instances of this process reach Redis through, or undefined */
export function redisFaults(redis: RedisServer, proxy: Proxy): StoreFaults {
  return {
    disconnect: (random) => redis.killClients(random.pick([':read', ':publish']) ?? ''),
    async silence(milliseconds) {
      if (milliseconds % 2 === 0) {
        await redis.control.client('PAUSE', milliseconds, 'ALL');
        await elapse(milliseconds);
        return;
      }
      proxy.cut();
      await elapse(milliseconds);
      proxy.mend();
    },
    stop: async (child) => void child.kill('SIGSTOP'),
  };
}

export function sqliteFaults(path: string): StoreFaults {
  const isLocked = (database: Database.Database) => {
    try {
      database.exec('BEGIN IMMEDIATE; COMMIT');
      return false;
    } catch {
      return true;
    }
  };
  return {
    disconnect: async () => {},
    async silence(milliseconds) {
      const database = new Database(path);
      try {
        // As a backup does, or somebody with the file open in a shell.
        database.pragma('busy_timeout = 500');
        database.exec('BEGIN IMMEDIATE');
        await elapse(milliseconds);
        database.exec('COMMIT');
      } finally {
        database.close();
      }
    },
    async stop(child) {
      const database = new Database(path);
      database.pragma('busy_timeout = 100');
      try {
        for (;;) {
          child.kill('SIGSTOP');
          // One that stands still in the middle of a transaction keeps the file from everybody.
          if (!isLocked(database)) return;
          child.kill('SIGCONT');
          await elapse(5);
        }
      } finally {
        database.close();
      }
    },
  };
}
