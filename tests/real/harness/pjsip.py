"""A telephone made of PJSIP. It registers through an outbound proxy, and calls or takes calls. It says on standard error what
happens.

    pjsip.py USER DOMAIN PASSWORD PROXY TRANSPORT answer      takes every call, and hangs up each second one
    pjsip.py USER DOMAIN PASSWORD PROXY TRANSPORT call URI    calls, and hangs up when the call is up
    pjsip.py USER DOMAIN PASSWORD PROXY TRANSPORT wait URI    calls, and waits until the other side hangs up
"""

import sys

import pjsua2 as pj

user, domain, password, proxy, transport, wanted = sys.argv[1:7]
target = sys.argv[7] if len(sys.argv) > 7 else None
calls = []
endpoint = pj.Endpoint()


def say(text):
    print(text, file=sys.stderr, flush=True)


class Call(pj.Call):
    hangs_up = False

    def onCallState(self, _):
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            say("CALL IS UP")
            if self.hangs_up:
                self.hangup(pj.CallOpParam(True))
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            say(f"CALL ENDED {info.lastStatusCode}")


class Account(pj.Account):
    called = False

    def onRegState(self, said):
        say(f"REGISTERED {said.code} {said.expiration}")
        if said.code == 200 and target and not self.called:
            self.called = True
            call = Call(self)
            call.hangs_up = wanted == "call"
            calls.append(call)
            call.makeCall(target, pj.CallOpParam(True))

    def onIncomingCall(self, invited):
        say(f"INVITE FROM {invited.rdata.srcAddress}")
        call = Call(self, invited.callId)
        calls.append(call)
        call.hangs_up = len(calls) % 2 == 0
        answer = pj.CallOpParam()
        answer.statusCode = 200
        call.answer(answer)


def start():
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.logConfig.level = config.logConfig.consoleLevel = 4
    config.medConfig.noVad = True
    endpoint.libCreate()
    endpoint.libInit(config)
    here = pj.TransportConfig()
    here.boundAddress = "127.0.0.1"
    if transport == "tls":
        # Whom it speaks to is for other tests.
        here.tlsConfig.verifyServer = False
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_TLS, here)
    else:
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_TCP, here)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()


def account():
    config = pj.AccountConfig()
    config.idUri = f"sip:{user}@{domain}"
    config.regConfig.registrarUri = f"sip:{domain}"
    config.regConfig.timeoutSec = 600
    config.sipConfig.proxies.append(f"sip:127.0.0.1:{proxy};transport={transport};lr")
    config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
    config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    made = Account()
    made.create(config)
    return made


start()
kept = account()
while True:
    endpoint.libHandleEvents(100)
