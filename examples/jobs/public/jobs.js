const bar = document.querySelector('progress');
const output = document.querySelector('output');

/** Shows a job, from its start, whenever the page is opened. */
function follow(id) {
  const source = new EventSource(`/jobs/${id}`);
  source.addEventListener('progress', ({ data }) => (bar.value = Number(data)));
  source.addEventListener('result', ({ data }) => output.append(data));
  source.addEventListener('run-end', ({ data }) => {
    source.close();
    const { status } = JSON.parse(data);
    // Who followed the job is gone, and not the job: somebody else follows it by now.
    if (status === 'lost') setTimeout(follow, 300, id);
    else output.append(` ${status}`);
  });
}

document.querySelector('#start').addEventListener('click', async () => {
  const response = await fetch('/jobs', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ rows: bar.max }),
  });
  sessionStorage.job = (await response.json()).id;
  output.textContent = '';
  follow(sessionStorage.job);
});

document.querySelector('#stop').addEventListener('click', () => {
  fetch(`/jobs/${sessionStorage.job}`, { method: 'DELETE' });
});

if (sessionStorage.job !== undefined) follow(sessionStorage.job);
