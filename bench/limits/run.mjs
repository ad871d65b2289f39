// What a limit costs a connect: 10,000 connections of 2,500 owners, all of them kept, through the class that counts them, in
// memory and with what another instance would be told. The first thousand and the last show that nothing is scanned.
import { Limits } from '../../dist/control/limits.js';

const CONNECTS = 10_000;
const OWNERS = 2_500;
const RUNS = 20;
const options = { perOwner: 5, perAddress: 100, then: 'closeOldest', lease: 10_000 };

function connection(n) {
  return {
    owner: `user-${n % OWNERS}`,
    remoteAddress: `10.0.${n >> 8}.${n & 255}`,
    isEnded: false,
    end() {},
  };
}

function port() {
  return {
    instance: 'bench',
    publish: async (message) => void JSON.stringify(message),
    listen() {},
  };
}

function medianOf(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function measure(limits, connections) {
  const thousands = [];
  for (let from = 0; from < connections.length; from += 1_000) {
    const begin = process.hrtime.bigint();
    for (const each of connections.slice(from, from + 1_000)) limits.admit(each);
    thousands.push(Number(process.hrtime.bigint() - begin) / 1e6);
  }
  return thousands;
}

for (const [name, makePort] of [
  ['one instance', () => undefined],
  ['several instances', port],
]) {
  const runs = [];
  for (let run = 0; run < RUNS; run++) {
    const limits = new Limits(options, makePort());
    runs.push(
      measure(
        limits,
        Array.from({ length: CONNECTS }, (_, n) => connection(n)),
      ),
    );
    await limits.close();
  }
  // The first runs are for the compiler.
  const settled = runs.slice(RUNS / 4);
  const thousands = settled[0].map((_, at) => medianOf(settled.map((run) => run[at])));
  const micro = (milliseconds) => `${milliseconds.toFixed(2)} µs`;
  const mean = thousands.reduce((sum, each) => sum + each, 0) / thousands.length;
  console.log(
    `${name}: ${micro(mean)} a connect; of the first thousand ${micro(thousands[0])}, of the last ${micro(thousands.at(-1))}`,
  );
}
