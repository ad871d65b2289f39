import { $, say } from './dom.js';

/** Milliseconds; the steps of a job come much faster than that. */
const SILENCE = 5_000;

let source;
let received = 0;
let silence;

/** The address has the job, so a reload, or another tab, finds it again. */
function followAddress() {
  const id = new URLSearchParams(location.hash.slice(1)).get('job');
  if (id) follow(id);
}

function follow(id) {
  source?.close();
  source = new EventSource(`/jobs/${encodeURIComponent(id)}`);
  received = 0;
  $('job').hidden = false;
  $('job-progress').value = 0;
  say('job-id', id);
  say('job-received', '0');
  tell('Waiting for its first step.');
  source.addEventListener('progress', onProgress);
  source.addEventListener('done', onDone);
  source.addEventListener('gap', ({ data }) => {
    tell(`Gap (${JSON.parse(data).reason}): what it told before is gone.`);
  });
  source.addEventListener('error', onError);
}

function onProgress({ data }) {
  const { step, steps } = JSON.parse(data);
  $('job-progress').max = steps;
  $('job-progress').value = step;
  count();
  tell(`Step ${step} of ${steps}`);
}

/** The response ends now, and an EventSource would come back for more. */
function onDone() {
  source.close();
  count();
  end('Done. The page has closed its EventSource.');
}

function onError() {
  if (source.readyState === EventSource.CLOSED) {
    end('The server refuses it: there is no such job. The EventSource has given up.');
  } else {
    tell('The connection was lost. The browser comes back and goes on.');
  }
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
