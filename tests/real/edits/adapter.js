// An adapter as operators write them: it answers every request with what it got, as JSON. The argument is its port.
"use strict";
const http = require("node:http");

http
  .createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      const { method, url, rawHeaders, rawTrailers } = request;
      const lines = (raw) => raw.flatMap((name, at) => (at % 2 ? [] : [`${name}: ${raw[at + 1]}`]));
      const seen = { method, url, fields: lines(rawHeaders), trailers: lines(rawTrailers), read: request.headers };
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify(seen));
    });
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
