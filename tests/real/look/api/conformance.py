# Holds the running admin API to docs/openapi.json. schemathesis reads the description, validates the answers and makes up
# requests, right ones and wrong ones, the same at every run.
#
#   conformance.py OPENAPI answers|odd|port|socket
#
# PORT, SOCKET: where the daemon listens. TOKEN, READING: the token, and the one that only reads. CONNECTION: the number of a
# live connection. What is wrong is written to standard output; the exit code is 1 then.

import http.client
import json
import os
import socket
import sys
import threading
import time
from collections import Counter

import hypothesis
import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

# So many are made up for each operation, right ones and as many wrong ones.
EXAMPLES = 16
# So long they may take, all together. Where a machine is slower each operation gets fewer, but at least these.
BUDGET = 45
LEAST = 3
# So long one answer may take.
PATIENCE = 10
SEED = 19

OF_ANSWERS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

with open(sys.argv[1], encoding="utf-8") as file:
    DESCRIPTION = json.load(file)
SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)
OPERATIONS = {operation.ok().label: operation.ok() for operation in SCHEMA.get_all_operations()}
PORT, SOCKET = f"http://127.0.0.1:{os.environ['PORT']}", os.environ["SOCKET"]
BEARER = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
READING = {"Authorization": f"Bearer {os.environ['READING']}"}


def relay():
    """A port of loopback that leads to the socket, because schemathesis speaks TCP; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source, sink):
        try:
            while octets := source.recv(65536):
                sink.sendall(octets)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def accept():
        while True:
            near, _ = listener.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(SOCKET)
            threading.Thread(target=pump, args=(near, far), daemon=True).start()
            threading.Thread(target=pump, args=(far, near), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def ask(case, base, session, headers, checks):
    """Sends a case and validates the answer."""
    kwargs = {"base_url": base, "session": session, "headers": headers, "timeout": PATIENCE}
    if follows(case):
        # Such an answer has no end, so its head and its first piece are looked at.
        wanted = requests.Request(**case.as_transport_kwargs(base_url=base, headers=headers)).prepare()
        with (session or requests.Session()).send(wanted, stream=True, timeout=PATIENCE) as answer:
            kind = answer.headers.get("Content-Type")
            if answer.status_code == 200:
                assert kind == "text/event-stream", kind
                first = next(answer.iter_content(None))
                assert first.startswith(b": portward"), first
            else:
                assert answer.status_code == 400 and kind == "application/json", f"{answer.status_code} {kind}"
        return None
    return case.call_and_validate(checks=checks, **kwargs)


def follows(case):
    follow = (case.query or {}).get("follow")
    return case.path == "/v1/decisions" and str(follow[0] if isinstance(follow, list) and follow else follow) == "1"


# What there is in the daemon that stands behind this, and what must not be empty in its answers.
HERE = {
    "GET /v1/status": ({}, "/warnings", "/counters/http/rejected", "/counters/http/failures"),
    "GET /v1/connections": ({}, "/connections"),
    "GET /v1/connections/{id}": ({"id": os.environ["CONNECTION"]}, "/identity"),
    "GET /v1/decisions": ({}, "/decisions"),
    "GET /v1/blacklist": ({}, "/entries"),
    "GET /v1/blacklist/{address}": ({"address": "203.0.113.77"}, "/reason"),
    "GET /v1/hosts": ({}, "/hosts"),
    "GET /v1/hosts/{name}": ({"name": "made.example.net"}, "/definition"),
    "GET /v1/listeners": ({}, "/listeners"),
    "GET /v1/certificates": ({}, "/certificates"),
    "GET /v1/history": ({}, "/services/sip/open"),
    "GET /v1/targets": ({}, "/targets"),
    "GET /v1/top": ({}, "/hosts", "/clients", "/refused"),
    "GET /v1/token": ({},),
    "GET /metrics": ({},),
    "GET /": ({},),
    "GET /dashboard/{name}": ({"name": "style.css"},),
    "POST /v1/blacklist": ({}, "/address", {"address": "198.51.100.0/24", "note": "a note", "expiration": "12h"}),
    "POST /v1/explain": ({}, "/live/targets", {"url": "https://one.example.net/open/a", "from": "192.0.2.1"}),
    "POST /v1/reload": ({}, "/hosts"),
    "POST /v1/hosts/{name}/disable": ({"name": "hq.example.net"}, "/name"),
    "POST /v1/hosts/{name}/enable": ({"name": "hq.example.net"}, "/name"),
    "PUT /v1/hosts/{name}": ({"name": "new.example.net"}, "/definition", {"target": "192.0.2.1", "http": ["/"]}),
    "GET /v1/tenants": ({}, "/tenants"),
    "GET /v1/tenants/{id}": ({"id": "made-1"}, "/definition"),
    "POST /v1/tenants": ({}, "/new", {"tenants": {"several-1": {"name": "One"}, "several-2": {"parent": "several-1"}}}),
    "PUT /v1/tenants/{id}": ({"id": "new-1"}, "/definition", {"target": "192.0.2.1"}),
    "POST /v1/tenants/{id}/disable": ({"id": "made-1"}, "/id"),
    "POST /v1/tenants/{id}/enable": ({"id": "made-1"}, "/id"),
    "POST /v1/tenants/{id}/login": ({"id": "new-1"}, "/id", {"user": "nobody", "hash": None}),
    "POST /v1/tenants/{id}/secrets": ({"id": "new-1"}, "/id", {"keep": 0}),
    "POST /v1/session": ({}, "/link"),
    "POST /v1/token": ({}, "/token"),
    "DELETE /v1/hosts/{name}": ({"name": "new.example.net"}, "/removed"),
    "DELETE /v1/tenants/{id}": ({"id": "new-1"}, "/removed"),
    "DELETE /v1/blacklist/{address}": ({"address": "198.51.100.0/24"}, "/removed"),
    "DELETE /v1/blacklist": ({}, "/removed"),
    "DELETE /v1/connections/{id}": ({"id": os.environ["CONNECTION"]}, "/ended"),
}
# They need a browser, and are tested where browsers are.
ELSEWHERE = {"GET /login", "GET /v1/session", "DELETE /v1/session"}


def answers():
    """Every operation once, as it is meant; and what there is to be seen is seen."""
    base = relay()
    assert set(HERE) | ELSEWHERE == set(OPERATIONS), set(HERE) ^ set(OPERATIONS) ^ ELSEWHERE
    for label, (parameters, *rest) in HERE.items():
        body = {"body": rest.pop(), "media_type": "application/json"} if rest and isinstance(rest[-1], dict) else {}
        case = OPERATIONS[label].Case(path_parameters=parameters, **body)
        answer = ask(case, base, None, {}, OF_ANSWERS)
        assert answer.status_code in (200, 201), f"{label}: {answer.status_code} {answer.text}"
        for pointer in rest:
            value = answer.json()
            for name in pointer.strip("/").split("/"):
                value = value[name]
            assert value, f"{label}: {pointer} is empty"
    # A page has what the next one has not.
    for path, name in [("connections", "connections"), ("decisions", "decisions"), ("hosts", "hosts"), ("tenants", "tenants"), ("targets", "targets"), ("listeners", "listeners")]:
        whole, seen, after = requests.get(f"{base}/v1/{path}").json()[name], [], {}
        for _ in range(100):
            page = requests.get(f"{base}/v1/{path}", params={"limit": 1, **after}).json()
            seen += page[name]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        of = lambda one: [one.get(key) for key in ("id", "line", "name", "target", "address")]
        assert [of(one) for one in seen] == [of(one) for one in whole], path
    looks(base)
    rights()


def looks(base):
    """HEAD says what GET says, without content."""
    for label, (parameters, *_) in HERE.items():
        if not label.startswith("GET "):
            continue
        path = label[4:].format(**{**parameters, "id": "999999999"})
        get, head = requests.get(base + path), requests.head(base + path)
        assert head.status_code == get.status_code and not head.content, path
        for field in ("Content-Type", "Cache-Control", "ETag", "Allow"):
            assert head.headers.get(field) == get.headers.get(field), f"{path}: {field}"


def rights():
    """Who may do what is as `x-portward-right` says."""
    for path, item in DESCRIPTION["paths"].items():
        for method, operation in item.items():
            right = operation["x-portward-right"]
            url = PORT + path.format(id="999999999", name="none.example", address="192.0.2.200")
            if right == "none":
                continue
            nobody = requests.request(method, url)
            assert nobody.status_code == 401 and nobody.json()["error"], f"{method} {path}: {nobody.status_code}"
            assert nobody.headers["WWW-Authenticate"].startswith("Bearer")
            reading = requests.request(method, url, headers=READING).status_code
            assert (reading == 403) == (right in ("change", "socket")), f"{method} {path}: {reading}"


ODD = [
    "/v1", "/v1/", "/v2/status", "/v1/status/", "//v1/status", "/v1//status", "/V1/status", "/v1/Status", "/metrics/",
    "/v1/../v1/status", "/v1/./status", "/v1/status%2f", "/v1/%73tatus", "/v1/hosts/", "/v1/hosts//enable",
    "/v1/connections/", "/v1/blacklist/", "/v1/status;x", "/v1/token/x", "/login/", "/v1/%00", "/.", "/v1/explain/x",
    "/dashboard", "/dashboard/", "/dashboard//", "/dashboard/x", "/dashboard/index.html", "/dashboard/../v1/status", "/index.html",
    "/" + "x" * 4000,
]
# A path that there is, with something that is none of its kind.
WRONG = [
    "/v1/connections/x", "/v1/connections/-1", "/v1/connections/+1", "/v1/connections/1.0", "/v1/connections/18446744073709551616",
    "/v1/connections/%31", "/v1/blacklist/x", "/v1/blacklist/%ff", "/v1/blacklist/1.2.3.4/33", "/v1/blacklist/1.2.3.4%2f8",
    "/v1/hosts/%ff", "/v1/hosts/a%20b", "/v1/hosts/%00", "/v1/hosts/..", "/v1/status?x=1", "/v1/status?limit=5",
    "/v1/connections/1?x", "/v1/blacklist/1.2.3.4?limit=1", "/v1/hosts/a.example?limit=1", "/metrics?x=1",
    "/v1/decisions?follow=2", "/v1/decisions?limit=1&limit=2", "/v1/hosts?enabled=1", "/v1/top?after=1", "/v1/history?limit=0",
    "/v1/connections?client=%zz", "/v1/certificates?after=-1", "/v1/token?read=2",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"]


def raw(method, path, body=None, headers=None):
    """An exact request over the socket."""
    connection = http.client.HTTPConnection("portward", timeout=PATIENCE)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE)
    connection.sock.connect(SOCKET)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body or b"")))
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def is_an_error(answer, content, what):
    assert answer.getheader("Content-Type") == "application/json", f"{what}: {answer.getheader('Content-Type')}"
    said = json.loads(content)
    assert list(said) == ["error"] and said["error"], f"{what}: {said}"


def odd():
    """Paths, methods, parameters and bodies that nobody should send."""
    for path in ODD:
        answer, content = raw("GET", path)
        assert answer.status == 404, f"{path}: {answer.status}"
        is_an_error(answer, content, path)
    for path in WRONG:
        answer, content = raw("GET", path)
        assert answer.status == 400, f"{path}: {answer.status} {content}"
        is_an_error(answer, content, path)
    for path, item in DESCRIPTION["paths"].items():
        possible = {method.upper() for method in item} | ({"HEAD"} if "get" in item else set())
        for method in METHODS:
            if method in possible:
                continue
            url = path.format(id="1", name="one.example.net", address="192.0.2.1")
            answer, content = raw(method, url)
            assert answer.status == 405, f"{method} {url}: {answer.status}"
            if method != "HEAD":
                is_an_error(answer, content, f"{method} {url}")
            assert set(answer.getheader("Allow").split(", ")) == possible, f"{url}: {answer.getheader('Allow')}"
    # A parameter that there is not stops a change, too: the whole list would be cleared.
    assert raw("DELETE", "/v1/blacklist?address=203.0.113.9")[0].status == 400
    assert json.loads(raw("GET", "/v1/blacklist")[1])["count"] == 2
    assert raw("POST", "/v1/reload?dry=1")[0].status == 400
    bodies = [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff", b"{}", b'{"x": 1}', b"[" * 20000, b'{"a":' * 5000]
    for body in bodies + [b'{"address": 7}', b'{"address": "192.0.2.1", "note": 7}', b'{"address": "192.0.2.1", "expires": "5m"}']:
        for method, path in [("POST", "/v1/blacklist"), ("POST", "/v1/explain")]:
            answer, content = raw(method, path, body)
            assert answer.status == 400, f"{path} {body[:40]}: {answer.status} {content}"
            is_an_error(answer, content, path)
    for body in bodies:
        answer, content = raw("PUT", "/v1/hosts/odd.example.net", body)
        if body == b"{}":
            continue
        assert answer.status == 422, f"PUT {body[:40]}: {answer.status} {content}"
        assert json.loads(content)["error"]
    assert json.loads(raw("GET", "/v1/blacklist")[1])["count"] == 2, "nothing has changed"
    answer, content = raw("POST", "/v1/blacklist", b" " * 70000)
    assert answer.status == 413, answer.status
    is_an_error(answer, content, "a long body")


def made_up(base, headers):
    """Requests that schemathesis makes up, right ones and wrong ones."""
    begin, wrong, count = time.monotonic(), {}, Counter()
    session = requests.Session()
    labels = [label for label in OPERATIONS if label not in ("POST /v1/token",)]
    for number, label in enumerate(sorted(labels, key=lambda label: (label.startswith("DELETE"), label))):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            # What is left of the time is shared out among those that are left.
            until = time.monotonic() + (BUDGET - (time.monotonic() - begin)) / (2 * (len(labels) - number))
            one(label, mode, until, (base, session, headers), wrong, count)
    print(f"{count.total()} requests in {time.monotonic() - begin:.1f} s: {dict(count)}")
    for label in labels:
        if not count[label]:
            wrong[label] = ["nothing was asked"]
    return wrong


def is_refused(context, answer, case):
    """A wrong request is refused. Preconditions may be judged before the content (RFC 9110 section 13.2.1)."""
    return True if answer.status_code == 412 else negative_data_rejection(context, answer, case)


def one(label, mode, until, way, wrong, count):
    base, session, headers = way
    operation = OPERATIONS[label]
    checks = OF_ANSWERS + ([is_refused] if mode is GenerationMode.NEGATIVE else [])
    asked = Counter()

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=False,
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def test(case):
        if asked[label] >= LEAST and time.monotonic() > until:
            return
        asked[label] += 1
        count[label] += 1
        ask(case, base, session, headers, checks)

    try:
        test()
    except hypothesis.errors.Unsatisfiable:
        pass
    except BaseException as error:  # Groups of failures are no Exceptions.
        wrong.setdefault(label, []).append(f"{mode.value}: {error}\n" + "\n".join(str(one) for one in getattr(error, "exceptions", [])))


def main():
    match sys.argv[2]:
        case "answers":
            answers()
        case "odd":
            odd()
        case "port":
            report(made_up(PORT, BEARER))
        case "socket":
            report(made_up(relay(), {}))


def report(wrong):
    for label, what in wrong.items():
        print(f"=== {label}\n" + "\n".join(what))
    sys.exit(1 if wrong else 0)


main()
