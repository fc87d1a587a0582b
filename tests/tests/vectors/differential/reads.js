// Prints every request that was read to its end, its body in hexadecimal digits, then answers it.
'use strict';

const server = require('http').createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    console.log(`read ${request.method} ${request.url} ${Buffer.concat(parts).toString('hex')}`);
    response.end('read');
  });
});

// Connections stay until the other side closes them.
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
