import { connectEvents } from '/client/index.js';
import { browser, countTabs } from './browser.js';
import { $, say } from './dom.js';

const MINUTE = 60;
const MAX_ROWS = 200;

const counts = { received: 0, replayed: 0, missed: 0, repeated: 0 };
/** How each second came: 'live' or 'replayed', or that it is 'gone'; what is not here has not come. */
const seconds = new Map();

let events;
/** What the server says of the present connection. */
let connection;
/** The instance that serves it, where there are several. */
let instance;
let wasLost = false;
/** The first second of all, and the last one. */
let first;
let last;
/** Whether the next second need not follow the last one: at the beginning, and after a gap. */
let isAnew = true;
let lastCameAt;

/** All tabs of a browser have one connection between them: the URL, and whose it is, are the same. */
function connect(lastEventId) {
  events = connectEvents(`/?browser=${browser}`, { share: browser, lastEventId });
  events.on('welcome', onWelcome);
  events.on('status', onStatus);
  events.on('testEvent', onTestEvent);
  events.onGap(onGap);
  events.subscribe(onChange);
}

function onChange() {
  const { state, error } = events.getSnapshot();
  const isOpen = state === 'live' || state === 'catching-up';
  if (state === 'waiting' && !wasLost) {
    wasLost = true;
    addNote('The connection was lost.');
  }
  if (isOpen) wasLost = false;
  if (state === 'closed') show('closed', 'Closed by the server');
  else if (isOpen) show('open', instance === undefined ? 'Connected' : `Connected to ${instance}`);
  else show('connecting', first === undefined ? 'Connecting' : 'Reconnecting');
  if (state === 'closed')
    addNote(`The server does not want this page back: ${error?.message}`, 'bad');
  $('drop').disabled = $('kill').disabled = !isOpen;
  $('again-action').hidden = state !== 'closed';
}

function onWelcome({ data }) {
  connection = data;
  const { resumedAfter } = data;
  addNote(`Connected${resumedAfter === undefined ? '' : `, Last-Event-ID: ${resumedAfter}`}`);
}

/** Once a second: a tab whose connection is that of another one has no other way to know who serves it. */
async function onStatus({ data: { instance: name, connections } }) {
  instance = name === undefined ? undefined : `instance ${name}`;
  $('kill-action').hidden = name === undefined;
  if (name !== undefined) {
    $('kill').dataset.instance = name;
    say('kill', `Kill ${instance}`);
  }
  onChange();
  const tabs = await countTabs();
  say(
    'tabs',
    tabs === undefined
      ? 'This page has a connection of its own: only a secure context, https or localhost, can share.'
      : `Tabs of this page: ${tabs}. Connections that they have to the server: ${connections}.`,
  );
}

/** The clock publishes once for every second, so a hole or a repetition shows in the data itself. */
function onTestEvent({ data: published, id }) {
  const data = String(published);
  const second = Date.parse(data) / 1_000;
  const kind = wasBefore(id) ? 'replayed' : 'live';
  insertRow(kind, ['testEvent', data, id, kind === 'replayed' ? 'caught up' : 'live']);
  // Whoever can publish to the topic can publish anything.
  if (Number.isNaN(second)) return;
  counts.received++;
  if (kind === 'replayed') counts.replayed++;
  first ??= second;
  last ??= second;
  if (isAnew) {
    for (let gone = Math.max(last + 1, second - MINUTE); gone < second; gone++)
      seconds.set(gone, 'gone');
  } else {
    counts.missed += Math.max(0, second - last - 1);
    if (seconds.has(second)) counts.repeated++;
  }
  isAnew = false;
  seconds.set(second, kind);
  for (const old of seconds.keys()) if (old < second - 10 * MINUTE) seconds.delete(old);
  last = Math.max(last, second);
  lastCameAt = performance.now();
  $('time').textContent = data.slice(11, 19);
  $('latest').textContent = data;
  draw();
}

/** Whether the log had it when this connection began. An id is a place in the log, <epoch>.<offset>. */
function wasBefore(id) {
  const [epoch, offset] = id.split('.');
  const [headEpoch, headOffset] = connection.head.split('.');
  return epoch === headEpoch && Number(offset) <= Number(headOffset);
}

/** The server no longer has what came in between, and says so: there is nothing to wait for. */
function onGap({ reason, requested }) {
  addNote(`Gap (${reason}): what followed ${requested} is gone.`, 'bad');
  isAnew = true;
}

function show(state, text) {
  if ($('state').dataset.state !== state) $('state').dataset.state = state;
  say('state', text);
}

function addNote(text, kind = '') {
  const row = insertRow(`note ${kind}`, [text]);
  row.cells[0].colSpan = 4;
}

function insertRow(className, cells) {
  const row = $('events').insertRow(0);
  row.className = className;
  // A narrow page lays the cells out in another way, after which a browser takes them for no table.
  row.role = 'row';
  for (const text of cells) {
    const cell = row.insertCell();
    cell.role = 'cell';
    cell.textContent = text;
  }
  if ($('events').rows.length > MAX_ROWS) $('events').lastElementChild.remove();
  return row;
}

function draw() {
  for (const [name, count] of Object.entries(counts)) $(name).textContent = count;
  for (const name of ['missed', 'repeated']) $(name).classList.toggle('bad', counts[name] > 0);
  if (last === undefined) return;
  const isHeldUp = performance.now() - lastCameAt > 1_500;
  const now = last + (isHeldUp ? Math.floor((performance.now() - lastCameAt) / 1_000) : 0);
  const states = Array.from({ length: MINUTE }, (_, index) => stateOf(now - MINUTE + 1 + index));
  states.forEach((state, index) => {
    $('minute').children[index].dataset.second = state;
  });
  const missing = states.filter((state) => state === 'missing').length;
  const here = states.filter((state) => state === 'live' || state === 'replayed').length;
  $('minute').ariaLabel = `${here} of the last ${MINUTE} seconds are here, ${missing} are missing`;
}

function stateOf(second) {
  if (second < first) return 'none';
  if (second > last) return 'waiting';
  return seconds.get(second) ?? 'missing';
}

$('minute').append(...Array.from({ length: MINUTE }, () => document.createElement('i')));
for (const cell of $('minute').children) cell.dataset.second = 'none';
$('origin').textContent = location.origin;
$('drop').addEventListener('click', async () => {
  $('drop').disabled = true;
  await fetch(`/drop/${connection.name}`, { method: 'POST' });
});
$('kill').addEventListener('click', async ({ target }) => {
  target.disabled = true;
  await fetch(`/kill/${target.dataset.instance}`, { method: 'POST' });
});
$('again').addEventListener('click', () => connect(events.lastEventId));
setInterval(draw, 250);
connect();
