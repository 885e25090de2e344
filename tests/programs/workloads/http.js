// SPDX-License-Identifier: MIT
// An HTTP server in one process, 16 clients at once in another, 100 requests each.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const { fork } = require('child_process');

const digest = (data) => crypto.createHash('sha256').update(data).digest('hex');

function ask(agent, port, client, number) {
  return new Promise((resolve, reject) => {
    const options = { agent, port, host: '127.0.0.1', path: `/${client}/${number}`, method: 'POST' };
    const request = http.request(options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve(`${response.statusCode} ${Buffer.concat(parts)}`));
    });
    request.on('error', reject);
    request.end(`${client}:${number};`.repeat(200));
  });
}

async function load(port) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  const all = await Promise.all([...Array(16).keys()].map(async (client) => {
    const answers = [];
    for (let number = 0; number < 100; number++) answers.push(await ask(agent, port, client, number));
    return digest(answers.join('\n'));
  }));
  agent.destroy();
  console.log(all.join('\n'));
}

function serve() {
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts);
      fs.appendFileSync(`client${request.url.split('/')[1]}`, `${body.length}\n`);
      response.statusCode = request.url.endsWith('7') ? 404 : 200;
      response.end(`${request.url} ${digest(body)}`);
    });
  });
  server.listen(0, '127.0.0.1', () => {
    const child = fork(__filename, [String(server.address().port)]);
    child.on('exit', (code, signal) => {
      console.log(`clients: ${code} ${signal}`);
      server.close(() => { process.exitCode = 5; });
    });
  });
}

if (process.argv.length > 2) load(Number(process.argv[2])); else serve();
