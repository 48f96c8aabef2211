// Tries what a page does, and sends what came of it to /done.
"use strict";

const results = {};

async function attempt(name, run) {
    try {
        results[name] = await run();
    } catch (error) {
        results[name] = String(error);
    }
}

// 5 MiB that are not the same everywhere.
function file() {
    const bytes = new Uint8Array(5 * 1024 * 1024);
    for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 31 + (at >> 12)) & 0xff;
    return new Blob([bytes]);
}

async function upload(method) {
    const answer = await fetch("/upload", { method, body: file() });
    return `${answer.status} ${await answer.text()}`;
}

function echo() {
    return new Promise((done) => {
        const socket = new WebSocket(`wss://${location.host}/echo`);
        socket.onopen = () => socket.send("knock knock");
        socket.onerror = () => done("error");
        socket.onmessage = (message) => {
            done(message.data);
            socket.close();
        };
    });
}

addEventListener("load", async () => {
    await attempt("page", async () => location.href);
    await attempt("style", async () => getComputedStyle(document.getElementById("text")).color);
    await attempt("picture", async () => document.getElementById("picture").naturalWidth);
    await attempt("protocol", async () => performance.getEntriesByType("navigation")[0].nextHopProtocol);
    await attempt("redirects", async () => performance.getEntriesByType("navigation")[0].redirectCount);
    await attempt("echo", echo);
    await attempt("put", () => upload("PUT"));
    await attempt("post", () => upload("POST"));
    await attempt("other", async () => (await fetch("https://two.example.net/data")).text());
    await attempt("many", async () => {
        const texts = Array.from({ length: 30 }, async (_, n) => (await fetch(`/echo-path/${n}`)).text());
        return (await Promise.all(texts)).every((text, n) => text === `/echo-path/${n}`);
    });
    await attempt("missing", async () => (await fetch("https://two.example.net/hidden")).status);
    await fetch("/done", { method: "POST", body: JSON.stringify(results) });
});
