import { cpus, release, totalmem } from 'node:os';

/** Where the numbers come from, without anything that names the machine. */
export function environment() {
  const [cpu] = cpus();
  const model = cpu?.model.trim() || 'unknown CPU';
  return [
    `Node ${process.version}, ${process.platform} ${process.arch}, kernel ${release().split('-')[0]}`,
    `${cpus().length} cores (${model}), ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `${new Date().toISOString().slice(0, 10)}; loopback, HTTP/1.1, 250-byte events`,
  ];
}
