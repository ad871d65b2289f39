import { NCHAN_MODULE } from '../servers/index.mjs';

/** nginx with one worker, everything it writes in a directory of ours, and nchan for EventSource. */
export function nchanConfiguration(directory, port) {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${directory}/${name};`)
    .join('\n');
  return `
load_module ${NCHAN_MODULE};
daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events { worker_connections 16000; }
http {
  access_log off;
  keepalive_requests 100000000;
  keepalive_timeout 1h;
${temporary}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location ~ ^/publish/(.+)$ {
      nchan_publisher;
      nchan_channel_id $1;
    }
    location ~ ^/(.+)$ {
      nchan_subscriber eventsource;
      nchan_channel_id $1;
      nchan_subscriber_first_message newest;
    }
  }
}
`;
}
