"""H.323 by pycrate: a gatekeeper, and a second opinion on octets.

peer.py gatekeeper [CHAIN KEY]   takes registrations on a free port of 127.0.0.1, which it writes to stderr with what it reads
peer.py read HEX...              prints what is in a TPKT each, as JSON
peer.py claims FOLDER            writes registrations that claim more, or less, than one name, as RAS messages
"""

import json
import socket
import ssl
import sys
import threading

from pycrate_asn1dir.H225 import H323_MESSAGES

LOCK = threading.Lock()


def read(octets):
    """A TPKT as (Q.931 message type, body, RAS messages)."""
    with LOCK:
        assert octets[0] == 3 and int.from_bytes(octets[2:4], "big") == len(octets), octets[:4]
        assert octets[4] == 8
        place = 6 + octets[5]
        kind, place = octets[place], place + 1
        user = None
        while place < len(octets):
            element = octets[place]
            if element & 0x80:
                place += 1
            elif element == 0x7E:
                size = int.from_bytes(octets[place + 1 : place + 3], "big")
                user, place = octets[place + 4 : place + 3 + size], place + 3 + size
            else:
                place += 2 + octets[place + 1]
        assert place == len(octets)
        H323_MESSAGES.H323_UserInformation.from_aper(user)
        pdu = H323_MESSAGES.H323_UserInformation.get_val()["h323-uu-pdu"]
        messages = []
        for generic in pdu.get("genericData", []):
            if generic["id"] != ("standard", 17):
                continue
            for parameter in generic["parameters"]:
                if parameter["id"] == ("standard", 1):
                    H323_MESSAGES.RasMessage.from_aper(parameter["content"][1])
                    messages.append(H323_MESSAGES.RasMessage.get_val())
        return kind, pdu["h323-message-body"][0], messages


def tunnel(message):
    with LOCK:
        H323_MESSAGES.RasMessage.set_val(message)
        ras = H323_MESSAGES.RasMessage.to_aper()
        H323_MESSAGES.RasMessage.from_aper(ras)
        assert H323_MESSAGES.RasMessage.get_val()[0] == message[0]
    assert len(ras) < 100
    generic = bytes([1, 0x40, 0, 17, 0, 0, 0x40, 0, 1, 0, len(ras)]) + ras
    user = bytes([5, 0x28, 0x10, 1, 0, 0x10, 0x81, 1, 0x80, len(generic)]) + generic
    signal = bytes([8, 2, 0, 0, 0x62, 0x7E]) + len(user).to_bytes(2, "big") + user
    return bytes([3, 0]) + (len(signal) + 4).to_bytes(2, "big") + signal


def confirm(message):
    kind, request = message
    base = {"requestSeqNum": request["requestSeqNum"], "protocolIdentifier": (0, 0, 8, 2250, 0, 7)}
    if request.get("gatekeeperIdentifier") is not None:
        base["gatekeeperIdentifier"] = request["gatekeeperIdentifier"]
    if kind == "registrationRequest":
        return ("registrationConfirm", dict(base, callSignalAddress=[], endpointIdentifier="ep1"))
    if kind == "gatekeeperRequest":
        address = ("ipAddress", {"ip": bytes([192, 0, 2, 1]), "port": 1719})
        return ("gatekeeperConfirm", dict(base, rasAddress=address))
    if kind == "unregistrationRequest":
        return ("unregistrationConfirm", {"requestSeqNum": request["requestSeqNum"]})
    raise ValueError(kind)


def claims(folder):
    """RegistrationRequests of `ckl` at dvl-ckl2.net, with what else an endpoint can claim."""
    vendor = {"vendor": {"t35CountryCode": 4, "t35Extension": 0, "manufacturerCode": 0}}
    terminal = {"terminal": {}, "mc": False, "undefinedNode": False}

    def gateway(protocol):
        return dict(terminal, gateway={"protocol": [protocol]})

    voice = {"dataRatesSupported": [], "supportedPrefixes": []}
    prefixes = dict(voice, supportedPrefixes=[{"prefix": ("dialledDigits", "0")}])
    name, number = ("h323-ID", "ckl"), ("dialledDigits", "200")
    party = ("partyNumber", ("privateNumber", {"privateTypeOfNumber": ("unknown", 0), "privateNumberDigits": "200"}))
    later = {"keepAlive": False, "willSupplyUUIEs": False, "maintainConnection": False}
    alive = dict(later, keepAlive=True, endpointIdentifier="ep1")
    pattern = [("wildcard", ("dialledDigits", "2"))]
    for what, aliases, kind, more in [
        ("name", [name], terminal, {}),
        ("name_number", [name, number], terminal, later),
        ("number", [number], terminal, later),
        ("party", [name, party], terminal, later),
        ("none", None, terminal, later),
        ("alive", None, terminal, alive),
        ("additive", [name], terminal, dict(later, additiveRegistration=0)),
        ("pattern", [name], terminal, dict(later, terminalAliasPattern=pattern)),
        ("gateway", [name], gateway(("voice", voice)), later),
        ("gateway_prefix", [name], gateway(("voice", prefixes)), later),
        ("gateway_newer", [name], gateway(("sip", voice)), later),
    ]:
        value = dict(
            more,
            requestSeqNum=7,
            protocolIdentifier=(0, 0, 8, 2250, 0, 7),
            discoveryComplete=False,
            callSignalAddress=[],
            rasAddress=[],
            terminalType=kind,
            gatekeeperIdentifier="dvl-ckl2.net",
            endpointVendor=vendor,
        )
        if aliases is not None:
            value["terminalAlias"] = aliases
        H323_MESSAGES.RasMessage.set_val(("registrationRequest", value))
        with open(f"{folder}/{what}.bin", "wb") as file:
            file.write(H323_MESSAGES.RasMessage.to_aper())


def exactly(client, count):
    octets = b""
    while len(octets) < count:
        more = client.recv(count - len(octets))
        if not more:
            raise EOFError
        octets += more
    return octets


def visit(client):
    try:
        while True:
            head = exactly(client, 4)
            rest = exactly(client, int.from_bytes(head[2:4], "big") - 4)
            if not rest:
                continue
            kind, body, messages = read(head + rest)
            for message in messages:
                request = message[1]
                aliases = request.get("terminalAlias", request.get("endpointAlias", []))
                aliases = [alias[1] for alias in aliases]
                seen = {"message": message[0], "gk": request.get("gatekeeperIdentifier"), "aliases": aliases}
                print(json.dumps(seen), file=sys.stderr, flush=True)
                client.sendall(tunnel(confirm(message)))
            if not messages:
                print(json.dumps({"message": body, "type": kind}), file=sys.stderr, flush=True)
    except (EOFError, OSError):
        print(json.dumps({"message": "closed"}), file=sys.stderr, flush=True)


def gatekeeper(files):
    listener = socket.create_server(("127.0.0.1", 0))
    context = None
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
    print("port", listener.getsockname()[1], file=sys.stderr, flush=True)
    while True:
        client, _ = listener.accept()
        if context:
            client = context.wrap_socket(client, server_side=True)
        threading.Thread(target=visit, args=(client,), daemon=True).start()


if sys.argv[1] == "gatekeeper":
    gatekeeper(sys.argv[2:])
elif sys.argv[1] == "claims":
    claims(sys.argv[2])
else:
    for argument in sys.argv[2:]:
        kind, body, messages = read(bytes.fromhex(argument))
        print(json.dumps({"type": kind, "body": body, "ras": [message[0] for message in messages]}))
