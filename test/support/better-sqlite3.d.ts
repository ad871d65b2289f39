// What the tests use of better-sqlite3, which has no types of its own.
declare module 'better-sqlite3' {
  namespace Database {
    interface Database {
      exec(sql: string): this;
      pragma(pragma: string, options?: { simple?: boolean }): unknown;
      prepare(sql: string): {
        run(...values: unknown[]): unknown;
        get(...values: unknown[]): unknown;
        all(...values: unknown[]): unknown[];
      };
      close(): this;
    }
  }
  const Database: new (path: string) => Database.Database;
  export default Database;
}
