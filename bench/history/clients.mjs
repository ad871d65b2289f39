// Clients that resume, at once or so many at a time, and read until they have the last event.
import { resume } from './resume.mjs';

process.on('message', async ({ port, resumes, expected, atATime = resumes.length }) => {
  const begin = performance.now();
  const waiting = resumes.values();
  let whole = 0;
  const work = async () => {
    for (const each of waiting) if ((await resume(port, each)) === expected) whole++;
  };
  await Promise.all(Array.from({ length: atATime }, work));
  process.send({ milliseconds: performance.now() - begin, whole });
});
