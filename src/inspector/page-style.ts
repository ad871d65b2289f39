/** The page's style: legible in light and dark, and on a telephone, where tables become lists. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --back: #f6f7f9; --card: #ffffff; --text: #1c2330; --soft: #5a6577; --line: #d9dee6;
  --accent: #0b63c5; --on-accent: #ffffff; --good: #1a7f37; --bad: #c02626; --code: #eef1f5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #12161d; --card: #1a2029; --text: #e6eaf0; --soft: #9aa7b8; --line: #2f3947;
    --accent: #6cb2ff; --on-accent: #0c1420; --good: #5ccb7c; --bad: #ff8080; --code: #242c38;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--back); color: var(--text);
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere;
}
header {
  display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: baseline;
  padding: 14px 20px; border-bottom: 1px solid var(--line); background: var(--card);
}
h1 { font-size: 20px; margin: 0; }
h2 { font-size: 16px; margin: 0 0 10px; }
p { margin: 0; color: var(--soft); }
#status { margin-left: auto; font-weight: 600; color: var(--good); }
#status.bad { color: var(--bad); }
main { display: grid; gap: 16px; padding: 16px 20px; max-width: 1400px; margin: 0 auto; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; min-width: 0; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(135px, 1fr)); gap: 10px; margin: 0; }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px; }
dt { color: var(--soft); font-size: 13px; }
dd { margin: 0; font-size: 20px; font-variant-numeric: tabular-nums; }
.tools { display: flex; flex-wrap: wrap; gap: 12px; align-items: end; }
.tools label { flex: 1 1 260px; }
label { display: grid; gap: 3px; color: var(--soft); font-size: 13px; }
input, textarea, button { font: inherit; color: var(--text); }
input, textarea {
  width: 100%; padding: 7px 9px; border: 1px solid var(--line); border-radius: 6px; background: var(--back);
}
textarea, code, .data { font-family: ui-monospace, monospace; font-size: 13px; }
button {
  padding: 7px 12px; border: 1px solid var(--line); border-radius: 6px; background: var(--back); cursor: pointer;
}
button[type=submit] { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
button.sure { background: var(--bad); border-color: var(--bad); color: var(--card); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th { text-align: left; color: var(--soft); font-weight: 500; padding: 4px 10px 6px 0; }
th, button { white-space: nowrap; overflow-wrap: normal; }
th:first-child { min-width: 150px; }
td { padding: 6px 10px 6px 0; border-top: 1px solid var(--line); vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; }
.bad { color: var(--bad); font-weight: 600; }
.empty { color: var(--soft); }
ol { list-style: none; margin: 0; padding: 0; max-height: 420px; overflow: auto; }
ol li { border-top: 1px solid var(--line); padding: 6px 0; display: grid; gap: 3px; }
ol li .head { display: flex; flex-wrap: wrap; gap: 2px 12px; color: var(--soft); font-size: 13px; }
ol li .topic { color: var(--accent); font-weight: 600; }
.data { background: var(--code); border-radius: 4px; padding: 4px 8px; margin: 0; white-space: pre-wrap; }
form { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 10px; align-items: end; }
.wide { grid-column: 1 / -1; }
.check { display: flex; align-items: center; gap: 6px; }
.check input { width: auto; }
#published { grid-column: 1 / -1; }
@media (max-width: 700px) {
  header, main { padding: 12px; }
  form { grid-template-columns: minmax(0, 1fr); }
  dl { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  thead { position: absolute; clip-path: inset(50%); height: 1px; overflow: hidden; }
  table, tbody { display: block; }
  tr { display: grid; gap: 2px; border-top: 1px solid var(--line); padding: 8px 0; }
  td { display: grid; grid-template-columns: 96px minmax(0, 1fr); border: 0; padding: 1px 0; }
  td::before { content: attr(data-label); color: var(--soft); font-size: 13px; }
  button, input, textarea { min-height: 40px; }
}
`;
