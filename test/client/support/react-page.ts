import { createElement, useMemo, useState } from 'react';
import { createRoot, type Container } from 'react-dom/client';
import { connectEvents } from 'nestjs-event-stream/client';
import { useEvents } from 'nestjs-event-stream/client/react';

interface Ticks {
  tick: { n: number };
}

const events = connectEvents<Ticks>('/ticks');

function Page() {
  const [sum, setSum] = useState(0);
  const listeners = useMemo(
    () => ({ tick: ({ data }: { data: { n: number } }) => setSum((before) => before + data.n) }),
    [],
  );
  const { state, event } = useEvents(events, listeners);
  return createElement('p', { id: 'shown' }, `${state} ${String(event?.id !== undefined)} ${sum}`);
}

/** What of a page is needed here. */
interface PageScope {
  readonly document: { readonly body: Container };
}

createRoot((globalThis as unknown as PageScope).document.body).render(createElement(Page));
