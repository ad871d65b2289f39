import { Controller, Get, Header } from '@nestjs/common';

const PAGE = `<!doctype html>
<meta charset="utf-8">
<title>Room 7</title>
<h1>Room 7</h1>
<ul id="members"></ul>
<pre id="messages"></pre>
<script>
  const name = new URLSearchParams(location.search).get('name') ?? 'guest';
  const source = new EventSource('rooms/7?name=' + encodeURIComponent(name));
  const members = new Map();
  const show = () => {
    const items = [...members.values()].map(({ name }) => {
      const item = document.createElement('li');
      item.textContent = name;
      return item;
    });
    document.querySelector('#members').replaceChildren(...items);
  };
  const on = (type, listener) =>
    source.addEventListener(type, ({ data }) => {
      listener(JSON.parse(data));
      show();
    });
  on('members', ({ members: all }) => {
    members.clear();
    for (const member of all) members.set(member.id, member);
  });
  on('join', ({ member }) => members.set(member.id, member));
  on('leave', ({ member }) => members.delete(member.id));
  on('message', ({ text }) => document.querySelector('#messages').append(text + '\\n'));
</script>`;

@Controller()
export class RoomPageController {
  /** Open it in several tabs: `/?name=ada`, `/?name=bob`. */
  @Get()
  @Header('content-type', 'text/html')
  page(): string {
    return PAGE;
  }
}
