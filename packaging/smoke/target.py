"""The targets of the smoke test: they record every connection and every request in a file.

    python3 target.py RECORD KIND:ADDRESS:PORT...

http: /slow answers a hundred thousand octets over four seconds, a WebSocket is accepted, everything else is answered with
the word "target". sip: a registrar and a phone in one, that answers every request with 200.
"""

import socket
import sys
import threading
import time

record = sys.argv[1]
lock = threading.Lock()


def note(text):
    with lock, open(record, "a", encoding="ascii") as file:
        file.write(text + "\n")


def messages(client):
    """Heads of HTTP and SIP alike, each with the body that Content-Length says."""
    held = b""
    while True:
        while b"\r\n\r\n" not in held:
            more = client.recv(65536)
            if not more:
                return
            held += more
            while held.startswith(b"\r\n"):
                held = held[2:]
        head, held = held.split(b"\r\n\r\n", 1)
        lines = head.decode("ascii", "replace").split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            fields.setdefault(name.strip().lower(), []).append(value.strip())
        length = int(fields.get("content-length", fields.get("l", ["0"]))[0])
        while len(held) < length:
            more = client.recv(65536)
            if not more:
                return
            held += more
        held = held[length:]
        note(f"{len(head)} {lines[0]}")
        yield lines[0], fields


def http(client):
    for line, fields in messages(client):
        if " /slow" in line:
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            for _ in range(40):
                client.sendall(b"x" * 2500)
                time.sleep(0.1)
        elif fields.get("upgrade") == ["websocket"]:
            client.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
            )
            while client.recv(65536):
                pass
            return
        else:
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ntarget\n")


def sip(client):
    for line, fields in messages(client):
        if line.startswith("ACK "):
            continue
        answer = ["SIP/2.0 200 OK"]
        for name in ("via", "from", "call-id", "cseq", "contact", "record-route"):
            answer += [f"{name.title()}: {value}" for value in fields.get(name, [])]
        to = fields["to"][0]
        answer.append(f"To: {to}" if ";tag=" in to else f"To: {to};tag=here")
        client.sendall("\r\n".join(answer + ["Content-Length: 0", "", ""]).encode())


def serve(kind, client):
    with client:
        note("connection")
        try:
            kind(client)
        except OSError:
            pass


def listen(kind, address, port):
    listener = socket.create_server((address, port))
    while True:
        threading.Thread(target=serve, args=(kind, listener.accept()[0]), daemon=True).start()


listeners = []
for argument in sys.argv[2:]:
    kind, address, port = argument.split(":")
    listeners.append(
        threading.Thread(target=listen, args=({"http": http, "sip": sip}[kind], address, int(port)))
    )
    listeners[-1].start()
