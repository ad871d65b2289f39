// What a client has to come through, in plain JavaScript: for any runtime that has fetch. Expects the bundled client and a server.
const [bundle, base] = globalThis.Deno?.args ?? process.argv.slice(2);
const { connectEvents } = await import(bundle);

const SCENARIOS = {
  async 'gets each event once, in order, through many cuts'() {
    const ids = [];
    for await (const { type, id } of open('cuts')) {
      if (type === 'closed') break;
      ids.push(id);
    }
    same(
      ids,
      Array.from({ length: 60 }, (_, index) => `e.${index + 1}`),
    );
  },
  async 'comes back after 500, 502, 503, 429, an end and a page'() {
    const data = [];
    for await (const event of open('statuses')) data.push(event.data);
    same(data.slice(0, -1), [1, 2]);
  },
  async 'asks for headers once more'() {
    let asked = 0;
    const data = [];
    const headers = async () => ({ authorization: String(++asked) });
    for await (const event of open('token', { headers })) data.push(event.data);
    same([asked, data[0]], [2, 'welcome']);
  },
  async 'stays away after 204'() {
    for await (const event of open('204')) throw new Error(`It received ${event.type}`);
  },
  async 'fails for 404'() {
    same(await failureOf(open('404')), 404);
  },
  async 'leaves a silent connection'() {
    const data = [];
    for await (const event of open('silence')) data.push(event.data);
    same(data.slice(0, -1), [1, 2]);
  },
  async 'waits with events until a gap is mended'() {
    const order = [];
    const events = open('gap');
    events.onGap(async () => {
      await new Promise((later) => setTimeout(later, 50));
      order.push('state');
    });
    for await (const { type } of events) order.push(type);
    same(order, ['state', 'gap', 'message', 'closed']);
  },
  async 'sends a POST once'() {
    same(await failureOf(open('post', { method: 'POST', body: 'x' })), 502);
  },
  async 'fails for what fetch refuses unsent'() {
    same(await failureOf(open('204', { body: 'x' })), 'TypeError');
  },
  async 'dispatches nothing after close()'() {
    const events = open('two');
    const data = [];
    await new Promise((closed) => {
      events.on('message', (event) => {
        data.push(event.data);
        events.close();
        setTimeout(closed, 50);
      });
    });
    same([data, events.lastEventId], [[1], 'e.1']);
  },
};

function open(path, options) {
  return connectEvents(`${base}/${path}`, { retry: 1, ...options });
}

async function failureOf(events) {
  try {
    for await (const event of events) void event;
  } catch (error) {
    return error.status ?? error.name;
  }
  return 'no failure';
}

function same(found, wanted) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${a} instead of ${b}`);
}

for (const [title, play] of Object.entries(SCENARIOS)) {
  await play();
  console.log(`ok ${title}`);
}
