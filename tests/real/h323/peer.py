"""H.323 by pycrate: a gatekeeper, and a second opinion on octets.

peer.py gatekeeper [CHAIN KEY]   takes registrations on a free port of 127.0.0.1, which it writes to stderr with what it reads
peer.py read HEX...              prints what is in a TPKT each, as JSON
peer.py claims FOLDER            writes registrations that claim more, or less, than one name, as RAS messages
peer.py speaks FOLDER            writes messages that speak for somebody, or only look like it, each in its TPKT
"""

import json
import socket
import ssl
import sys
import threading

from pycrate_asn1dir.H225 import H323_MESSAGES
from pycrate_asn1rt.codecs import ASN1CodecPER

LOCK = threading.Lock()
OPEN_TYPE = ASN1CodecPER.encode_unconst_open


def addition(wrapped):
    """pycrate encodes additions before their bitmap, and pads the first of them for the root's last octet."""
    rest = ASN1CodecPER._off[-1] % 8 if "_gen_ext" in sys._getframe(1).f_locals else 0
    ASN1CodecPER._off[-1] -= rest
    encoding = OPEN_TYPE(wrapped)
    ASN1CodecPER._off[-1] += rest
    return encoding


ASN1CodecPER.encode_unconst_open = addition


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


def encoded(kind, value):
    """An encoding that pycrate itself reads as the same; its encoder may put an octet too many."""
    with LOCK:
        kind.set_val(value)
        octets = kind.to_aper()
        kind.from_aper(octets)
        again = kind.get_val()
        kind.set_val(again)
        assert kind.to_aper() == octets
        return octets


def call(kind, reference, elements, body, more=()):
    pdu = dict(more, **{"h323-message-body": body})
    pdu.setdefault("h245Tunnelling", True)
    user = bytes([5]) + encoded(H323_MESSAGES.H323_UserInformation, {"h323-uu-pdu": pdu})
    signal = bytes([8, 2]) + reference.to_bytes(2, "big") + bytes([kind]) + elements
    signal += bytes([0x7E]) + len(user).to_bytes(2, "big") + user
    return bytes([3, 0]) + (len(signal) + 4).to_bytes(2, "big") + signal


def tunnelled(*messages):
    raw = [encoded(H323_MESSAGES.RasMessage, message) for message in messages]
    parameters = [{"id": ("standard", 1), "content": ("raw", octets)} for octets in raw]
    generic = [{"id": ("standard", 17), "parameters": parameters}]
    return call(0x62, 0, b"\x1c\x00", ("empty", 0), {"genericData": generic})


GUID = bytes(range(16))
OID = (0, 0, 8, 2250, 0, 7)
ADDRESS = ("ipAddress", {"ip": bytes([192, 0, 2, 7]), "port": 1720})
ADDRESSES = [
    ADDRESS,
    ("ip6Address", {"ip": GUID, "port": 1720}),
    ("netBios", GUID),
    ("nsap", b"12345"),
    ("ipxAddress", {"node": b"123456", "netnum": b"1234", "port": b"12"}),
    ("ipSourceRoute", {"ip": b"1234", "port": 1, "route": [b"1234", b"5678"], "routing": ("strict", 0)}),
]
MAKER = {"t35CountryCode": 4, "t35Extension": 0, "manufacturerCode": 67}
OWN = {"nonStandardIdentifier": ("h221NonStandard", MAKER), "data": b"what nobody else reads"}
OBJECT = {"nonStandardIdentifier": ("object", (1, 3, 6, 1, 4, 1)), "data": b""}
TERMINAL = {"terminal": {}, "mc": False, "undefinedNode": False}
VENDOR = {"vendor": MAKER, "productId": b"telephone\0", "versionId": b"1.0\0"}
FULL = {
    "nonStandardData": OWN,
    "vendor": VENDOR,
    "gatekeeper": {"nonStandardData": OBJECT},
    "gateway": {"protocol": [("voice", {"dataRatesSupported": [], "supportedPrefixes": []})]},
    "mcu": {},
    "terminal": {},
    "mc": True,
    "undefinedNode": False,
}
SERVICES = dict.fromkeys(["q932Full", "q951Full", "q952Full", "q953Full", "q955Full", "q956Full", "q957Full"], False)
SERVICES["q954Info"] = {"conferenceCalling": True, "threePartyService": False}
NAME, OTHER, NUMBER = ("h323-ID", "ckl"), ("h323-ID", "other"), ("dialledDigits", "200")
CALLED = [("h323-ID", "x@dvl-ckl2.net"), ("dialledDigits", "0123456789#*,"), ("url-ID", "h323:x@dvl-ckl2.net"),
          ("email-ID", "x@dvl-ckl2.net"), ("transportID", ADDRESS)]


def admission(endpoint="ep1", source=(NAME,), answers=False, **more):
    return ("admissionRequest", dict(
        more, requestSeqNum=9, callType=("pointToPoint", 0), endpointIdentifier=endpoint, destinationInfo=CALLED,
        srcInfo=list(source), bandWidth=1280, callReferenceValue=77, conferenceID=GUID, activeMC=False,
        answerCall=answers, canMapAlias=True, callIdentifier={"guid": GUID}, willSupplyUUIEs=False,
        gatekeeperIdentifier="gk"))


def unregistration(addresses=(), **more):
    return ("unregistrationRequest", dict(more, requestSeqNum=9, callSignalAddress=list(addresses)))


def in_call(kind, endpoint, **more):
    return (kind, dict(more, requestSeqNum=9, endpointIdentifier=endpoint, conferenceID=GUID, callReferenceValue=7,
                       callIdentifier={"guid": GUID}, answeredCall=False))


def disengage(endpoint="ep1", **more):
    return in_call("disengageRequest", endpoint, disengageReason=("normalDrop", 0), **more)


def bandwidth(endpoint="ep1", **more):
    return in_call("bandwidthRequest", endpoint, bandWidth=70000, **more)


def location(**more):
    return ("locationRequest", dict(more, requestSeqNum=9, destinationInfo=CALLED, replyAddress=ADDRESS))


def information(endpoint="ep1", **more):
    return ("infoRequestResponse", dict(
        more, requestSeqNum=9, endpointType=FULL, endpointIdentifier=endpoint, rasAddress=ADDRESS,
        callSignalAddress=ADDRESSES, needResponse=False, unsolicited=True))


def resources(endpoint="ep1"):
    return ("resourcesAvailableIndicate", {
        "requestSeqNum": 9, "protocolIdentifier": OID, "endpointIdentifier": endpoint, "protocols": [],
        "almostOutOfResources": False})


def service(endpoint="ep1"):
    session = {"sessionId": 3, "contents": ("url", "http://example.net/"), "reason": ("open", 0)}
    return ("serviceControlIndication", {
        "requestSeqNum": 9, "nonStandardData": OWN, "serviceControl": [session, dict(session, contents=("signal", b"x"))],
        "endpointIdentifier": endpoint})


def registration(alive, aliases=(), **more):
    value = dict(more, requestSeqNum=9, protocolIdentifier=OID, discoveryComplete=False, rasAddress=[],
                 terminalType=TERMINAL, endpointVendor=VENDOR, keepAlive=alive, willSupplyUUIEs=False,
                 maintainConnection=True)
    value.setdefault("callSignalAddress", [])
    if aliases:
        value["terminalAlias"] = list(aliases)
    return ("registrationRequest", value)


def setup(source=None, elements=b"", **more):
    body = dict(more, protocolIdentifier=OID, sourceInfo=TERMINAL, destinationAddress=CALLED, activeMC=False,
                conferenceID=GUID, conferenceGoal=("create", 0), callType=("pointToPoint", 0),
                callIdentifier={"guid": GUID}, mediaWaitForConnect=False, canOverlapSend=False, multipleCalls=False,
                maintainConnection=True)
    if source is not None:
        body["sourceAddress"] = source
    return call(5, 0x1234, bytes([4, 3, 0x80, 0x90, 0xA5]) + elements, ("setup", body))


def calling(digits):
    return bytes([0x6C, len(digits) + 2, 0x01, 0x81]) + digits


def bodies():
    """Every message of a call, with every field of its root."""
    common = {"protocolIdentifier": OID, "callIdentifier": {"guid": GUID}}
    flags = {"multipleCalls": False, "maintainConnection": True}
    party = dict(common, destinationInfo=FULL, h245Address=ADDRESS, **flags)
    yield 2, "callProceeding", party
    yield 1, "alerting", dict(party, alertingAddress=CALLED)
    yield 7, "connect", dict(party, conferenceID=GUID, connectedAddress=CALLED)
    yield 0x7B, "information", common
    yield 0x5A, "releaseComplete", dict(common, reason=("undefinedReason", 0))
    yield 0x5A, "releaseComplete", dict(common, reason=("securityDenied", 0))
    facility = dict(common, reason=("callForwarded", 0), alternativeAddress=ADDRESS, **flags)
    yield 0x62, "facility", dict(facility, alternativeAliasAddress=CALLED, conferenceID=GUID)
    yield 0x62, "facility", dict(facility, reason=("transportedInformation", 0))
    yield 0x03, "progress", dict(party)
    yield 0x7D, "status", common
    yield 0x75, "statusInquiry", common
    yield 0x0D, "setupAcknowledge", common
    yield 0x6E, "notify", common


def speaks(folder):
    """own_*: for `ckl`, whose endpoint is `ep1`; other_*: for somebody else; number_*: for a number."""
    everything = {"callModel": ("direct", 0), "destCallSignalAddress": ADDRESS, "destExtraCallInfo": CALLED,
                  "srcCallSignalAddress": ADDRESS, "nonStandardData": OWN, "callServices": SERVICES}
    whole = {"h245Address": ADDRESS, "destCallSignalAddress": ADDRESS, "destExtraCallInfo": CALLED,
             "destExtraCRV": [1, 2], "callServices": SERVICES, "endpointIdentifier": "ep1"}
    ep1, ep2 = {"endpointIdentifier": "ep1"}, {"endpointIdentifier": "ep2"}
    pattern = {"endpointAliasPattern": [("wildcard", NUMBER)]}
    extended = lambda alias: {"additionalSourceAddresses": [
        {"address": NAME, "presentationIndicator": ("presentationAllowed", 0), "screeningIndicator": "userProvidedNotScreened"},
        {"address": alias}]}
    for name, octets in {
        "own_arq": tunnelled(admission()),
        "own_arq_full": tunnelled(admission(**everything)),
        "own_arq_without_source": tunnelled(admission(source=())),
        "own_arq_answer": tunnelled(admission(source=(OTHER,), answers=True)),
        "other_arq_endpoint": tunnelled(admission("ep2")),
        "other_arq_source": tunnelled(admission(source=(OTHER,))),
        "other_arq_second_source": tunnelled(admission(source=(NAME, OTHER))),
        "other_arq_answer": tunnelled(admission("ep2", answers=True)),
        "other_arq_party": tunnelled(admission(source=(NAME, ("transportID", ADDRESS)))),
        "number_arq": tunnelled(admission(source=(NAME, NUMBER))),
        "other_arq_behind_own": tunnelled(admission(), admission("ep2")),
        "other_arq_behind_alive": tunnelled(registration(True, **ep1), admission("ep2")),
        "own_urq": tunnelled(unregistration(**ep1)),
        "own_urq_full": tunnelled(unregistration([ADDRESS], endpointAlias=[NAME], nonStandardData=OWN, **ep1, **pattern)),
        "own_urq_nobody": tunnelled(unregistration()),
        "other_urq_endpoint": tunnelled(unregistration(**ep2)),
        "other_urq_alias": tunnelled(unregistration(endpointAlias=[OTHER], **ep1)),
        "other_urq_address": tunnelled(unregistration([ADDRESS])),
        "other_urq_pattern": tunnelled(unregistration(**pattern)),
        "own_drq": tunnelled(disengage()),
        "own_drq_full": tunnelled(disengage(nonStandardData=OWN)),
        "other_drq": tunnelled(disengage("ep2")),
        "own_brq": tunnelled(bandwidth()),
        "own_brq_full": tunnelled(bandwidth(callType=("nToN", 0), nonStandardData=OBJECT)),
        "other_brq": tunnelled(bandwidth("ep2")),
        "own_lrq": tunnelled(location()),
        "own_lrq_full": tunnelled(location(nonStandardData=OWN, sourceInfo=[NAME], canMapAlias=True, **ep1)),
        "other_lrq_endpoint": tunnelled(location(**ep2)),
        "other_lrq_source": tunnelled(location(sourceInfo=[OTHER], canMapAlias=True)),
        "own_irr": tunnelled(information(endpointAlias=[NAME])),
        "other_irr_endpoint": tunnelled(information("ep2")),
        "other_irr_alias": tunnelled(information(endpointAlias=[OTHER], nonStandardData=OWN)),
        "own_rai": tunnelled(resources()),
        "other_rai": tunnelled(resources("ep2")),
        "own_sci": tunnelled(service()),
        "other_sci": tunnelled(service("ep2")),
        "own_ucf": tunnelled(("unregistrationConfirm", {"requestSeqNum": 9})),
        "own_alive": tunnelled(registration(True, **ep1)),
        "own_alive_without_endpoint": tunnelled(registration(True)),
        "other_alive_endpoint": tunnelled(registration(True, **ep2)),
        "other_alive_address": tunnelled(registration(True, callSignalAddress=[ADDRESS])),
        "other_rrq_endpoint": tunnelled(registration(False, [NAME], gatekeeperIdentifier="dvl-ckl2.net", **ep2)),
        "own_setup": setup([NAME]),
        "own_setup_full": setup([NAME], calling(b""), **whole),
        "own_setup_without_source": setup(),
        "other_setup": setup([OTHER]),
        "other_setup_second": setup([NAME, OTHER]),
        "other_setup_url": setup([("url-ID", "h323:other@dvl-ckl2.net")]),
        "other_setup_email": setup([("email-ID", "other@dvl-ckl2.net")]),
        "other_setup_transport": setup([("transportID", ADDRESS)]),
        "other_setup_endpoint": setup([NAME], endpointIdentifier="ep2"),
        "other_setup_additional": setup([NAME], **extended(OTHER)),
        "own_setup_additional": setup([NAME], **extended(NAME)),
        "number_setup": setup([NAME, NUMBER]),
        "number_setup_calling": setup([NAME], calling(b"200")),
    }.items():
        with open(f"{folder}/{name}.bin", "wb") as file:
            file.write(octets)
    for number, (kind, body, value) in enumerate(bodies()):
        with open(f"{folder}/own_call_{number:02}_{body}.bin", "wb") as file:
            file.write(call(kind, 0x1234, b"\x28\x01x", (body, value), {"nonStandardData": OWN}))


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
elif sys.argv[1] == "speaks":
    speaks(sys.argv[2])
else:
    for argument in sys.argv[2:]:
        kind, body, messages = read(bytes.fromhex(argument))
        print(json.dumps({"type": kind, "body": body, "ras": [message[0] for message in messages]}))
