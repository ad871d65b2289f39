import { connectEvents } from '/client/index.js';
import { browser } from './browser.js';
import { $, say } from './dom.js';

/** Milliseconds; the steps of a job come much faster than that. */
const SILENCE = 5_000;

let events;
let received = 0;
let silence;

/** The address has the job, so a reload, or another tab, finds it again. */
function followAddress() {
  const id = new URLSearchParams(location.hash.slice(1)).get('job');
  if (id) follow(id);
}

function follow(id) {
  events?.close();
  // Tabs that follow the same job share a connection as well.
  events = connectEvents(`/jobs/${encodeURIComponent(id)}`, { share: browser });
  received = 0;
  $('job').hidden = false;
  $('job-progress').value = 0;
  say('job-id', id);
  say('job-received', '0');
  tell('Waiting for its first step.');
  events.on('progress', onProgress);
  events.on('done', onDone);
  events.onGap(({ reason }) => tell(`Gap (${reason}): what it told before is gone.`));
  events.subscribe(onChange);
}

function onProgress({ data: { step, steps } }) {
  $('job-progress').max = steps;
  $('job-progress').value = step;
  count();
  tell(`Step ${step} of ${steps}`);
}

/** The response ends now, and the client would come back for more. */
function onDone() {
  count();
  events.close();
  end('Done. The page has closed its connection.');
}

function onChange() {
  const { state, error } = events.getSnapshot();
  if (state === 'waiting') tell('The connection was lost. The page comes back and goes on.');
  if (state === 'closed' && error) end('The server refuses it: there is no such job.');
}

function count() {
  received++;
  say('job-received', String(received));
}

function tell(text) {
  say('job-state', text);
  clearTimeout(silence);
  silence = setTimeout(() => {
    const why = 'a server that has started anew knows nothing of what it did before.';
    say('job-state', `Nothing comes of it: ${why} Start another job.`);
  }, SILENCE);
}

function end(text) {
  clearTimeout(silence);
  say('job-state', text);
}

$('job-start').addEventListener('click', async () => {
  $('job-start').disabled = true;
  try {
    const response = await fetch('/jobs', { method: 'POST' });
    if (!response.ok) throw new Error(response.statusText);
    const { id } = await response.json();
    location.hash = new URLSearchParams({ job: id });
  } catch {
    $('job').hidden = false;
    end('The job could not be started. Try again.');
  } finally {
    $('job-start').disabled = false;
  }
});
addEventListener('hashchange', followAddress);
followAddress();
