# A terminal for one program: a pseudo-terminal with pyte as its screen. It is told what to do by lines of JSON on standard
# input, and answers each with a line of JSON.
#
#   terminal.py COLUMNS ROWS PROGRAM ARGUMENT...
import fcntl
import json
import os
import select
import struct
import subprocess
import sys
import termios
import time

import pyte

columns, rows = int(sys.argv[1]), int(sys.argv[2])
master, slave = os.openpty()


def set_size():
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


set_size()
before = termios.tcgetattr(slave)
screen = pyte.Screen(columns, rows)
stream = pyte.ByteStream(screen)
raw = bytearray()
child = subprocess.Popen(
    sys.argv[3:],
    stdin=slave,
    stdout=slave,
    stderr=slave,
    start_new_session=True,
    preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
)


def read(seconds):
    ready, _, _ = select.select([master], [], [], seconds)
    if not ready:
        return False
    data = os.read(master, 65536)
    raw.extend(data)
    stream.feed(data)
    return True


def lines():
    # A wide character takes two places; the second one is empty.
    row = lambda y: "".join(screen.buffer[y][x].data for x in range(screen.columns))
    return [row(y).rstrip() for y in range(screen.lines)]


def wait(wanted, unwanted):
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline:
        text = "\n".join(lines())
        if all(one in text for one in wanted) and not any(one in text for one in unwanted):
            return True
        read(0.1)
    return False


def end():
    deadline = time.monotonic() + 25
    while child.poll() is None and time.monotonic() < deadline:
        read(0.05)
    while read(0):
        pass
    return {"code": child.poll(), "restored": termios.tcgetattr(slave) == before}


for line in sys.stdin:
    told = json.loads(line)
    answer = {}
    if "wait" in told:
        answer["seen"] = wait(told["wait"], told.get("without", []))
    if "keys" in told:
        os.write(master, told["keys"].encode())
    if "size" in told:
        columns, rows = told["size"]
        screen.resize(rows, columns)
        set_size()
    if "signal" in told:
        child.send_signal(told["signal"])
    if "end" in told:
        answer.update(end())
    answer["lines"] = lines()
    answer["raw"] = raw.decode("latin-1")
    print(json.dumps(answer), flush=True)
child.kill()
