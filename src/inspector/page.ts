/** Nothing but what this module serves is loaded, and nothing is run that stands in the page. */
export const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** @param url as it was requested: what the page loads is beside it, or below it if it ends with a slash */
export function pageFor(url: string): string {
  const path = url.split('?', 1)[0] ?? '';
  const [last = ''] = path.split('/').slice(-1);
  // The path is that of a route, and has no character that HTML would read; what is not known stays out.
  const base = last === '' ? '' : `${last.replace(/[^\w.~-]/g, '')}/`;
  return PAGE.replaceAll('{base}', base);
}

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Event streams</title>
<link rel="stylesheet" href="{base}inspector.css">
<script src="{base}inspector.js" defer></script>
</head>
<body>
<header>
<h1>Event streams</h1>
<p id="instance"></p>
<p id="status" role="status"></p>
</header>
<main>
<dl id="figures" aria-label="Figures"></dl>
<div class="tools">
<label>Find <input id="find" type="search" autocomplete="off" placeholder="owner, topic, route, path"></label>
<button id="pause" type="button" aria-pressed="false">Pause</button>
</div>
<section aria-labelledby="connections-title">
<h2 id="connections-title">Connections of this instance</h2>
<div id="connections"></div>
</section>
<section aria-labelledby="topics-title">
<h2 id="topics-title">Topics</h2>
<div id="topics"></div>
</section>
<section id="runs-section" aria-labelledby="runs-title" hidden>
<h2 id="runs-title">Runs</h2>
<div id="runs"></div>
</section>
<section aria-labelledby="tail-title">
<h2 id="tail-title">Log</h2>
<ol id="tail" aria-label="The last events, the latest first"></ol>
</section>
<section aria-labelledby="ended-title">
<h2 id="ended-title">Ended on this instance</h2>
<p id="reasons"></p>
<div id="ends"></div>
</section>
<section aria-labelledby="instances-title">
<h2 id="instances-title">Instances</h2>
<div id="instances"></div>
</section>
<section aria-labelledby="publish-title">
<h2 id="publish-title">Publish</h2>
<form id="publish">
<label>Topic <input name="topic" required autocomplete="off"></label>
<label>Type <input name="type" autocomplete="off" placeholder="message"></label>
<label>Key <input name="key" autocomplete="off"></label>
<label class="wide">Data <textarea name="data" rows="3" spellcheck="false">{}</textarea></label>
<label class="check"><input name="json" type="checkbox" checked> is JSON</label>
<button type="submit">Publish to all clients</button>
<p id="published" role="status"></p>
</form>
</section>
</main>
</body>
</html>
`;
