import { $, say } from './dom.js';

const MINUTE = 60;
const MAX_ROWS = 200;

const counts = { received: 0, replayed: 0, missed: 0, repeated: 0 };
/** How each second came: 'live' or 'replayed', or that it is 'gone'; what is not here has not come. */
const seconds = new Map();

let eventSource;
/** What the server says of the present connection. */
let connection;
/** The first second of all, and the last one. */
let first;
let last;
/** Whether the next second need not follow the last one: at the beginning, and after a gap. */
let isAnew = true;
let lastCameAt;
let lastId = '';

function connect(url) {
  eventSource = new EventSource(url);
  eventSource.addEventListener('open', () => show('open', 'Connected'));
  eventSource.addEventListener('error', onError);
  eventSource.addEventListener('welcome', onWelcome);
  eventSource.addEventListener('testEvent', onTestEvent);
  eventSource.addEventListener('gap', onGap);
}

function onError() {
  const isOver = eventSource.readyState === EventSource.CLOSED;
  if (connection !== undefined) addNote('The connection was lost.');
  connection = undefined;
  if (isOver) show('closed', 'Closed by the server');
  else show('connecting', 'Reconnecting');
  $('drop').disabled = $('kill').disabled = true;
  $('again-action').hidden = !isOver;
}

function onWelcome({ data }) {
  connection = JSON.parse(data);
  const { instance, resumedAfter } = connection;
  const where = instance === undefined ? '' : ` to instance ${instance}`;
  const how = resumedAfter === undefined ? '' : `, Last-Event-ID: ${resumedAfter}`;
  show('open', `Connected${where}`);
  addNote(`Connected${where}${how}`);
  $('drop').disabled = $('kill').disabled = false;
  $('kill-action').hidden = instance === undefined;
  if (instance !== undefined) $('kill').textContent = `Kill instance ${instance}`;
}

/** The clock publishes once for every second, so a hole or a repetition shows in the data itself. */
function onTestEvent({ data, lastEventId }) {
  const second = Date.parse(data) / 1_000;
  const kind = wasBefore(lastEventId) ? 'replayed' : 'live';
  addRow(kind, 'testEvent', data, lastEventId);
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
function onGap({ data, lastEventId }) {
  lastId = lastEventId;
  const { reason, requested } = JSON.parse(data);
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

function addRow(kind, type, data, id) {
  lastId = id;
  insertRow(kind, [type, data, id, kind === 'replayed' ? 'caught up' : 'live']);
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
  await fetch(`/drop/${connection.connection}`, { method: 'POST' });
});
$('kill').addEventListener('click', async () => {
  $('kill').disabled = true;
  await fetch(`/kill/${connection.instance}`, { method: 'POST' });
});
$('again').addEventListener('click', () => {
  $('again-action').hidden = true;
  // A new EventSource has no Last-Event-ID to send.
  connect(`/?lastEventId=${encodeURIComponent(lastId)}`);
});
setInterval(draw, 250);
connect('/');
