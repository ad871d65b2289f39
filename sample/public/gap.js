import { connectEvents } from '/client/index.js';
import { $ } from './dom.js';

let events;

/** Connects as a client does that was away for too long, until it is up to date again. */
function resumeFrom(lastEventId) {
  events?.close();
  $('gap-steps').replaceChildren();
  note('request', `Last-Event-ID: ${lastEventId}`);
  events = connectEvents('/', { lastEventId });
  follow(events);
}

function follow(current) {
  /** What a client fetches after a gap; the client keeps the events that follow until it is there. */
  let state;
  let older = 0;

  current.onGap(async ({ reason, requested, resumedAt }) => {
    note('gap', `reason: ${reason}; requested: ${requested}; goes on after: ${resumedAt}`);
    const { time } = await (await fetch('/time')).json();
    if (current === events) note('GET /time', `the state: ${time}`);
    state = time;
  });
  current.on('testEvent', ({ data, id }) => {
    if (state !== undefined && data <= state) {
      older++;
      return;
    }
    current.close();
    if (older > 0) note('events', `${older} older ones: the state has them already`);
    note('testEvent', `${data}, id ${id}`);
    note('result', state ? 'Up to date again.' : 'No gap: the log still has all that followed.');
  });
  current.subscribe(() => {
    if (current === events && current.state === 'waiting')
      note('error', 'The server could not be reached. The page tries again.');
  });
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
