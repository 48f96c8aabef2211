"""A phone in a call: registers, calls, and asks within the dialog twice a second whether it is still there.

    python3 phone.py PORT LOG [register]

The log gets a line for each answer, with the milliseconds since the epoch: REGISTER, INVITE, INFO; at last END, when the
connection has ended, or after a minute. With "register" it does just that; the exit code is 0 if it was answered 200.
"""

import socket
import sys
import time

port, log = int(sys.argv[1]), sys.argv[2]
limit = time.monotonic() + 60


def note(text):
    with open(log, "a", encoding="ascii") as file:
        file.write(f"{int(time.time() * 1000)} {text}\n")


def ask(connection, number, method, tag=""):
    connection.sendall(
        (
            f"{method} sip:bob@example.net SIP/2.0\r\n"
            f"Via: SIP/2.0/TCP 192.0.2.7:5060;branch=z9hG4bK{number}\r\n"
            "From: <sip:alice@example.net>;tag=there\r\n"
            f"To: <sip:{'alice' if method == 'REGISTER' else 'bob'}@example.net>{tag}\r\n"
            f"Call-ID: {'register' if method == 'REGISTER' else 'call'}@192.0.2.7\r\nCSeq: {number} {method}\r\n"
            "Contact: <sip:alice@192.0.2.7:5060;transport=tcp>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        ).encode()
    )
    if method == "ACK":
        return True
    held = b""
    while b"\r\n\r\n" not in held:
        more = connection.recv(65536)
        if not more:
            return False
        held += more
    good = held.startswith(b"SIP/2.0 200 ")
    note(method if good else held.split(b"\r\n")[0].decode("ascii", "replace"))
    return good


if sys.argv[3:] == ["register"]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        sys.exit(0 if ask(connection, 1, "REGISTER") else 1)

with socket.create_connection(("127.0.0.1", port)) as connection:
    connection.settimeout(30)
    try:
        ask(connection, 1, "REGISTER")
        ask(connection, 2, "INVITE")
        ask(connection, 2, "ACK", ";tag=here")
        number = 3
        while time.monotonic() < limit and ask(connection, number, "INFO", ";tag=here"):
            number += 1
            time.sleep(0.5)
    except OSError:
        pass
note("END")
