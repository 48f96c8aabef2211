"""An HTTP target that reads strictly, with h11, and writes down what it read.

One JSON object a line on standard error:
  {"port": N}                                    it listens
  {"request": N, "method", "target", "headers", "unclean"}   a head was read; N counts over all connections
  {"end": N, "body", "trailers"}                 its body was read whole
  {"error": "..."}                               what came is not HTTP, or ended in the middle
Texts are bytes read as ISO 8859-1. "unclean" names what h11 forgives and RFC 9112 does not.
"""

import itertools
import json
import re
import socket
import sys
import threading

import h11

NUMBERS = itertools.count()
LOCK = threading.Lock()
FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[ \t]*[\x21-\x7e\x80-\xff]?[\t\x20-\x7e\x80-\xff]*\Z")


def say(**what):
    with LOCK:
        sys.stderr.write(json.dumps(what) + "\n")
        sys.stderr.flush()


def text(raw):
    return bytes(raw).decode("latin-1")


def unclean(head):
    """What is wrong with a head, however small."""
    found = []
    lines = head.split(b"\r\n")
    names = []
    for line in lines:
        if b"\n" in line or b"\r" in line:
            found.append("bare CR or LF")
    if not re.fullmatch(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP/1\.[01]", lines[0]):
        found.append("request line")
    for line in lines[1:]:
        if not FIELD.match(line):
            found.append("field line " + text(line))
        names.append(line.split(b":")[0].lower())
    if names.count(b"host") != 1:
        found.append("Host %d times" % names.count(b"host"))
    framing = names.count(b"content-length") + names.count(b"transfer-encoding")
    if framing > 1:
        found.append("framed %d times" % framing)
    return found


def serve(client):
    conn = h11.Connection(h11.SERVER, max_incomplete_event_size=200_000)
    raw = b""
    number = None
    method = body = b""
    try:
        while True:
            event = conn.next_event()
            if event is h11.NEED_DATA:
                if conn.they_are_waiting_for_100_continue:
                    client.sendall(conn.send(h11.InformationalResponse(status_code=100, headers=[])))
                data = client.recv(65536)
                raw += data
                conn.receive_data(data)
            elif isinstance(event, h11.Request):
                number = next(NUMBERS)
                method, body = event.method, b""
                head = raw[: raw.index(b"\r\n\r\n")] if b"\r\n\r\n" in raw else raw
                say(
                    request=number,
                    method=text(event.method),
                    target=text(event.target),
                    headers=[[text(name), text(value)] for name, value in event.headers.raw_items()],
                    unclean=unclean(head),
                )
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                trailers = [[text(name), text(value)] for name, value in event.headers]
                say(end=number, body=text(body), trailers=trailers)
                answer = b"read %d bytes" % len(body)
                head = h11.Response(
                    status_code=200, headers=[("Content-Length", str(len(answer))), ("X-Server", "h11")]
                )
                client.sendall(conn.send(head))
                if method != b"HEAD":
                    client.sendall(conn.send(h11.Data(data=answer)))
                client.sendall(conn.send(h11.EndOfMessage()) or b"")
                if conn.our_state is h11.MUST_CLOSE or conn.their_state is h11.MUST_CLOSE:
                    return
                raw = conn.trailing_data[0]
                conn.start_next_cycle()
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return
    except h11.RemoteProtocolError as error:
        say(error=str(error))
    except OSError:
        say(error="the connection was reset")
    finally:
        client.close()


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    say(port=listener.getsockname()[1])
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(client,), daemon=True).start()


main()
