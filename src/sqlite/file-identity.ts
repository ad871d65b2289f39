import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** The file that a path leads to through all links, beside which SQLite keeps two more; the path itself if there is none. */
export function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** Names the inode that a path leads to; undefined if there is none. */
export function inodeOf(path: string): string | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino.toString();
}

/**
 * Names the file that a path leads to, as `inode:birth`, in nanoseconds since 1970; empty if there is none. File systems
 * give the inode of a file that was removed to the next one. Not the device: its number changes over a reboot.
 */
export function identityOf(path: string): string {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (file === undefined) return '';
  const hasBirth = file.birthtimeNs > 0n && hasBirthTimes(dirname(path));
  return `${file.ino}:${hasBirth ? file.birthtimeNs : ''}`;
}

/** Whether two identities may be of one file. The time of birth is left out where it was not known. */
export function isSameFile(one: string, other: string): boolean {
  const [inode, birth = ''] = one.split(':');
  const [otherInode, otherBirth = ''] = other.split(':');
  return inode === otherInode && (birth === '' || otherBirth === '' || birth === otherBirth);
}

/**
 * Where the kernel is not asked for it (an old sandbox forbids `statx`), Node.js gives the time of the last change in its
 * place, of everything. A folder in which a file was made has changed since its birth.
 */
function hasBirthTimes(folder: string): boolean {
  const { birthtimeNs, ctimeNs } = statSync(folder, { bigint: true });
  return birthtimeNs !== ctimeNs;
}
