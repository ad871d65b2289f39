import { $ } from './dom.js';

let source;

/** Connects as a client does that was away for too long, until it is up to date again. */
function resumeFrom(id) {
  source?.close();
  source = new EventSource(`/?lastEventId=${encodeURIComponent(id)}`);
  $('gap-steps').replaceChildren();
  note('request', `Last-Event-ID: ${id}`);
  follow(source);
}

function follow(current) {
  /** What a client fetches after a gap; events wait for it. */
  let state;
  let hadGap = false;
  let older = 0;

  current.addEventListener('gap', ({ data }) => {
    const { reason, requested, resumedAt } = JSON.parse(data);
    hadGap = true;
    note('gap', `reason: ${reason}; requested: ${requested}; goes on after: ${resumedAt}`);
    state = fetchTime().catch(fail);
  });
  current.addEventListener('testEvent', async ({ data, lastEventId }) => {
    const time = await state;
    // One that waited may find that the one before it was enough.
    if (current.readyState === EventSource.CLOSED || current !== source) return;
    if (time !== undefined && data <= time) {
      older++;
      return;
    }
    current.close();
    if (older > 0) note('events', `${older} older ones: the state has them already`);
    note('testEvent', `${data}, id ${lastEventId}`);
    note('result', hadGap ? 'Up to date again.' : 'No gap: the log still has all that followed.');
  });
  current.addEventListener('error', fail);

  function fail() {
    current.close();
    if (current === source) note('error', 'The server could not be reached. Try again.');
  }

  async function fetchTime() {
    const { time } = await (await fetch('/time')).json();
    if (current === source) note('GET /time', `the state: ${time}`);
    return time;
  }
}

function note(term, text) {
  const step = document.createElement('li');
  const code = document.createElement('code');
  code.textContent = term;
  step.append(code, ` ${text}`);
  $('gap-steps').append(step);
}

$('gap-form').addEventListener('submit', (event) => {
  event.preventDefault();
  resumeFrom($('gap-id').value);
});
