"""A target for the smoke test of the packages: records every connection and its octets in a file, answers by HTTP.

    python3 smoke-target.py PORT RECORD

/slow answers a hundred thousand octets over four seconds; everything else answers at once, with a length.
"""

import socket
import sys
import threading
import time

port, record = int(sys.argv[1]), sys.argv[2]
lock = threading.Lock()


def note(text):
    with lock, open(record, "a", encoding="ascii") as file:
        file.write(text + "\n")


def serve(client):
    with client:
        note("connection")
        held = b""
        while True:
            while b"\r\n\r\n" not in held:
                more = client.recv(65536)
                if not more:
                    return
                held += more
            head, held = held.split(b"\r\n\r\n", 1)
            line = head.split(b"\r\n", 1)[0].decode("ascii", "replace")
            note(f"{len(head)} {line}")
            if b" /slow" in head:
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                for _ in range(40):
                    client.sendall(b"x" * 2500)
                    time.sleep(0.1)
            elif b"pgrade: websocket" in head:
                client.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
                )
                while client.recv(65536):
                    pass
                note("tunnel ended")
                return
            else:
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ntarget\n")


listener = socket.create_server(("127.0.0.1", port))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
