/** The same in all tabs of a browser, and in no other browser. */
export const browser = (localStorage.browser ??= Math.random().toString(36).slice(2));

const TAB = 'tab of the sample ';

// Held for as long as the tab is there, however it ends.
void navigator.locks?.request(TAB + Math.random(), () => new Promise(() => {}));

/** Undefined where tabs cannot know of each other. */
export async function countTabs() {
  const locks = await navigator.locks?.query();
  return locks?.held.filter(({ name }) => name.startsWith(TAB)).length;
}
