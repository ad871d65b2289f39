/**
 * Opens an EventSource, and another one when the browser has given up, which goes on where the first one was.
 * Listeners by type; `shouldReopen` says whether to go on, after asking your API whether the user is signed in.
 */
export function openStream(url, listeners, shouldReopen = async () => true) {
  let lastEventId = '';

  function open() {
    const target = new URL(url, location.href);
    if (lastEventId !== '') target.searchParams.set('lastEventId', lastEventId);
    const source = new EventSource(target);
    for (const [type, listener] of Object.entries(listeners)) {
      source.addEventListener(type, (event) => {
        lastEventId = event.lastEventId;
        listener(event);
      });
    }
    source.addEventListener('error', async () => {
      // While it is CONNECTING the browser comes back by itself.
      if (source.readyState !== EventSource.CLOSED) return;
      if (await shouldReopen()) setTimeout(open, 1_000 + Math.random() * 4_000);
    });
  }

  open();
}
