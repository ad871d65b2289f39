/**
 * The page's script, as browsers run it. It asks once a second, and opens no stream, so that what it shows is not changed by
 * its looking. Whatever comes from the application becomes text (`textContent`), never HTML.
 */
export const PAGE_SCRIPT = `'use strict';
const base = document.currentScript.src.replace(/inspector\\.js.*$/, '');
const INTERVAL = 1000;
const SHOWN = 200;
const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat('en');
let cursor;
let isPaused = false;
let timer;
let sure;
let asked = 0;

function make(name, text, attributes = {}) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function bytes(value) {
  if (value < 1000) return value + ' B';
  if (value < 1e6) return (value / 1e3).toFixed(1) + ' kB';
  return (value / 1e6).toFixed(1) + ' MB';
}

function duration(milliseconds) {
  const seconds = Math.max(0, milliseconds / 1000);
  if (seconds < 60) return seconds.toFixed(1) + ' s';
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min ' + Math.floor(seconds % 60) + ' s';
  return Math.floor(seconds / 3600) + ' h ' + Math.floor((seconds % 3600) / 60) + ' min';
}

const time = (at) => new Date(at).toLocaleTimeString();

async function ask(path, body) {
  const headers = { 'x-event-inspector': '1' };
  const options = { headers, cache: 'no-store' };
  if (body !== undefined) {
    headers['content-type'] = 'application/json';
    Object.assign(options, { method: 'POST', body: JSON.stringify(body) });
  }
  const response = await fetch(base + path, options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.message ?? 'HTTP ' + response.status);
  return answer;
}

/** Columns are [title, cell], and a cell is a text or an element. */
function table(target, columns, rows, empty) {
  if (rows.length === 0) {
    target.replaceChildren(make('p', empty, { class: 'empty' }));
    return;
  }
  const head = make('tr');
  for (const [title] of columns) head.append(make('th', title, { scope: 'col' }));
  const body = make('tbody');
  for (const row of rows) {
    const line = make('tr');
    for (const [title, cell] of columns) {
      const content = cell(row);
      const isElement = content instanceof Node;
      const field = make('td', undefined, { 'data-label': title });
      // On a telephone a field is its title and one thing beside it.
      field.append(isElement ? content : make('span', content));
      line.append(field);
    }
    body.append(line);
  }
  const whole = make('table');
  const top = make('thead');
  top.append(head);
  whole.append(top, body);
  target.replaceChildren(whole);
}

/** Closing asks for a second press, on the very same connection. */
function closer({ id }) {
  const button = make('button', sure === id ? 'Really close' : 'Close', { type: 'button' });
  if (sure === id) button.className = 'sure';
  button.setAttribute('aria-label', button.textContent + ' ' + id);
  button.addEventListener('click', async () => {
    if (sure !== id) {
      sure = id;
      setTimeout(() => { if (sure === id) sure = undefined; }, 4000);
      button.textContent = 'Really close';
      button.className = 'sure';
      return;
    }
    sure = undefined;
    button.disabled = true;
    await ask('close', { id }).catch(fail);
    await refresh();
  });
  return button;
}

function behind({ isBehind, behind }) {
  return isBehind ? make('span', number.format(behind) + ' events', { class: 'bad' }) : 'no';
}

function retention({ retention }) {
  if (retention === undefined) return 'the tail';
  const parts = [];
  if (retention.keepFor !== false) parts.push('for ' + duration(retention.keepFor));
  if (retention.keepEvents !== false) parts.push('the last ' + number.format(retention.keepEvents));
  if (retention.keepLatestPerKey) parts.push('the last of each key');
  return parts.length === 0 ? 'kept' : 'kept: ' + parts.join(', ');
}

function showFigures(state) {
  const { log, connections, topics, delivered, gaps, resumes, backplane } = state;
  const total = (counts) => Object.values(counts).reduce((sum, each) => sum + each, 0);
  const figures = [
    ['Open streams', number.format(connections.total)],
    ['Events delivered', number.format(delivered)],
    ['Log', number.format(log.events) + ' events'],
    ['Memory of the log', bytes(log.bytes)],
    ['Topics', number.format(topics.total)],
    ['Resumes', number.format(total(resumes))],
    ['Gaps', number.format(total(gaps))],
    ['Backplane lag', number.format(backplane.lagEvents) + ' events'],
  ];
  $('figures').replaceChildren(
    ...figures.map(([title, value]) => {
      const figure = make('div');
      figure.append(make('dt', title), make('dd', value));
      return figure;
    }),
  );
}

function showTables({ connections, topics, ends, instances, instance, ended }) {
  const now = Date.now();
  table($('connections'), [
    ['Owner', ({ owner }) => owner ?? '–'],
    ['Route', ({ route, path }) => (route.endsWith(' ' + path) ? route : route + '  (' + path + ')')],
    ['Topics', ({ topics }) => topics.join(', ') || '–'],
    ['Open for', ({ since }) => duration(now - new Date(since).getTime())],
    ['Sent', (row) => bytes(row.bytes)],
    ['Behind', behind],
    ['', closer],
  ], connections.rows, 'No stream is open, or none is found.');
  table($('topics'), [
    ['Topic', ({ name }) => name],
    ['Events in the tail', ({ events }) => number.format(events)],
    ['Last event', ({ lastAt }) => (lastAt === undefined ? '–' : time(lastAt))],
    ['Is read', ({ isRead }) => (isRead ? 'yes' : 'no')],
    ['Kept', retention],
  ], topics.rows, 'No topic has events or readers, or none is found.');
  table($('ends'), [
    ['At', ({ at }) => time(at)],
    ['Why', ({ reason }) => reason],
    ['Owner', ({ owner }) => owner ?? '–'],
    ['Route', ({ route }) => route],
    ['Was open for', (row) => duration(row.duration)],
    ['Sent', (row) => bytes(row.bytes)],
  ], ends, 'None has ended since this instance was started.');
  table($('instances'), [
    ['Instance', (row) => row.instance + (row.instance === instance ? ' (this one)' : '')],
    ['Host', ({ host, pid }) => host + ', process ' + pid],
    ['Open streams', (row) => number.format(row.connections)],
    ['Behind', ({ lagEvents, lagMs }) => number.format(lagEvents) + ' events, ' + duration(lagMs)],
  ], instances, '');
  $('reasons').textContent =
    Object.entries(ended).filter(([, count]) => count > 0)
      .map(([reason, count]) => reason + ': ' + number.format(count)).join(' · ');
}

function showRuns(runs) {
  $('runs-section').hidden = runs === undefined;
  table($('runs'), [
    ['Run', ({ id }) => id],
    ['Status', ({ status, error }) => (error === undefined ? status : status + ': ' + error)],
    ['Started', ({ startedAt }) => time(startedAt)],
    ['Ended', ({ endedAt }) => (endedAt === undefined ? '–' : time(endedAt))],
    ['Events', ({ events }) => number.format(events)],
    ['Size', (row) => bytes(row.bytes)],
    ['Readers here', ({ readers }) => number.format(readers)],
    ['Instance', ({ owner }) => owner],
  ], runs ?? [], 'There is no run, or none is found.');
}

function showTail({ events, isCut }) {
  if (isCut) $('tail').prepend(make('li', 'More came than is shown.', { class: 'empty' }));
  for (const { cursor: id, topics, type, key, at, bytes: size, text } of events) {
    const head = make('div', undefined, { class: 'head' });
    head.append(make('span', topics.join(', '), { class: 'topic' }), make('span', type ?? 'message'));
    if (key !== undefined) head.append(make('span', 'key ' + key));
    head.append(make('span', time(at)), make('span', bytes(size)), make('span', id));
    const item = make('li');
    item.append(head, make('pre', text, { class: 'data' }));
    $('tail').prepend(item);
  }
  while ($('tail').childElementCount > SHOWN) $('tail').lastElementChild.remove();
}

function show(state) {
  const { instance, backplane, isDraining, log } = state;
  const isFine = backplane.isConnected && !isDraining;
  $('instance').textContent = instance + ', ' + backplane.name + ', at ' + log.head;
  $('status').textContent = isDraining ? 'shutting down' : isFine ? 'connected' : 'backplane lost';
  $('status').className = isFine ? '' : 'bad';
  showFigures(state);
  showTables(state);
  showRuns(state.runs);
  showTail(state.tail);
  cursor = log.head;
}

function fail(error) {
  $('status').textContent = error.message;
  $('status').className = 'bad';
}

async function refresh() {
  const query = new URLSearchParams({ find: $('find').value });
  if (cursor !== undefined) query.set('after', cursor);
  // Only the last answer counts: two that begin at one cursor would have the same events.
  const turn = ++asked;
  try {
    const state = await ask('state?' + query);
    if (turn === asked) show(state);
  } catch (error) {
    if (turn === asked) fail(error);
  }
}

async function run() {
  clearTimeout(timer);
  // Nobody presses what is replaced under the finger.
  const isHeld = document.querySelector('#connections button:active') !== null;
  if (!isPaused && !document.hidden && !isHeld) await refresh();
  timer = setTimeout(run, INTERVAL);
}

$('find').addEventListener('input', () => void refresh());
$('pause').addEventListener('click', () => {
  isPaused = !isPaused;
  $('pause').textContent = isPaused ? 'Go on' : 'Pause';
  $('pause').setAttribute('aria-pressed', String(isPaused));
});
$('publish').addEventListener('submit', async (submission) => {
  submission.preventDefault();
  const form = new FormData($('publish'));
  const text = (name) => form.get(name) || undefined;
  try {
    const data = form.has('json') ? JSON.parse(form.get('data')) : form.get('data');
    const { cursor: id } = await ask('publish', { topic: text('topic'), type: text('type'), key: text('key'), data });
    $('published').textContent = 'Published as ' + id;
    $('published').className = '';
    await refresh();
  } catch (error) {
    $('published').textContent = error.message;
    $('published').className = 'bad';
  }
});
void run();
`;
