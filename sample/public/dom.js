export const $ = (id) => document.getElementById(id);

/** Sets the text, never HTML, and only if it is another one: a status is read aloud whenever it is set. */
export function say(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}
