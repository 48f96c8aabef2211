// A telephone in a page: the same few functions over JsSIP and over SIP.js. The test calls them from outside.
"use strict";

// What has happened and was not waited for yet, and all of it, for the message of a failure.
const fresh = [];
const story = [];
let wake = () => {};

function happens(what) {
    fresh.push(what);
    story.push(what);
    wake();
}

// Waits for something to happen, or takes note that it has.
async function until(what) {
    for (;;) {
        const at = fresh.indexOf(what);
        if (at >= 0) {
            fresh.splice(at, 1);
            return what;
        }
        await new Promise((done) => (wake = done));
    }
}

function pause() {
    return new Promise((done) => setTimeout(done, 50));
}

let phone;

const server = `wss://${location.host}/sip`;
const audioOnly = { audio: true, video: false };

class JsSipPhone {
    constructor({ user, domain, login, password }) {
        this.domain = domain;
        this.agent = new JsSIP.UA({
            sockets: [new JsSIP.WebSocketInterface(server)],
            uri: `sip:${user}@${domain}`,
            authorization_user: login,
            password,
            register_expires: 600,
            connection_recovery_min_interval: 1,
            connection_recovery_max_interval: 1,
        });
        this.agent.on("registered", () => happens("registered"));
        this.agent.on("registrationFailed", ({ response }) =>
            happens(`refused ${response?.status_code} ${response?.reason_phrase}`));
        this.agent.on("disconnected", () => happens("disconnected"));
        this.agent.on("newRTCSession", ({ session, originator }) => this.take(session, originator));
    }

    take(session, originator) {
        this.session = session;
        session.on("accepted", () => happens("accepted"));
        session.on("confirmed", () => happens("confirmed"));
        session.on("ended", () => happens("ended"));
        session.on("failed", ({ cause, message }) => happens(`failed ${message?.status_code ?? ""} ${cause}`));
        const play = (connection) =>
            connection.addEventListener("track", ({ streams }) => {
                document.getElementById("sound").srcObject = streams[0];
            });
        if (session.connection) play(session.connection);
        else session.on("peerconnection", ({ peerconnection }) => play(peerconnection));
        if (originator === "remote") happens("rings");
    }

    start() {
        this.agent.start();
    }

    call(user) {
        this.agent.call(`sip:${user}@${this.domain}`, { mediaConstraints: audioOnly });
    }

    answer() {
        this.session.answer({ mediaConstraints: audioOnly });
    }

    hold() {
        return new Promise((done) => this.session.hold({}, () => done(true)));
    }

    unhold() {
        return new Promise((done) => this.session.unhold({}, () => done(true)));
    }

    hangUp() {
        this.session.terminate();
    }

    connection() {
        return this.session.connection;
    }
}

class SipJsPhone {
    constructor({ user, domain, login, password }) {
        this.domain = domain;
        this.simple = new SIP.Web.SimpleUser(server, {
            aor: `sip:${user}@${domain}`,
            media: { constraints: audioOnly, remote: { audio: document.getElementById("sound") } },
            reconnectionAttempts: 10,
            reconnectionDelay: 1,
            userAgentOptions: {
                authorizationUsername: login,
                authorizationPassword: password,
                // Without STUN servers: it would ask one of its own choice.
                sessionDescriptionHandlerFactoryOptions: { peerConnectionConfiguration: { iceServers: [] } },
            },
            delegate: {
                onRegistered: () => happens("registered"),
                onServerDisconnect: () => happens("disconnected"),
                onCallReceived: () => happens("rings"),
                onCallAnswered: () => {
                    happens("accepted");
                    happens("confirmed");
                },
                onCallHangup: () => happens("ended"),
            },
        });
    }

    async start() {
        await this.simple.connect();
        await this.simple.register({
            requestDelegate: {
                onReject: ({ message }) => happens(`refused ${message.statusCode} ${message.reasonPhrase}`),
            },
        });
    }

    call(user) {
        return this.simple.call(`sip:${user}@${this.domain}`);
    }

    answer() {
        return this.simple.answer();
    }

    hold() {
        return this.simple.hold();
    }

    unhold() {
        return this.simple.unhold();
    }

    hangUp() {
        return this.simple.hangup();
    }

    connection() {
        return this.simple.session.sessionDescriptionHandler.peerConnection;
    }
}

// Sound that comes from the other side: packets, and more than silence in them.
async function heard() {
    for (;;) {
        for (const report of (await phone.connection().getStats()).values()) {
            if (report.type === "inbound-rtp" && report.packetsReceived > 20 && report.totalAudioEnergy > 0) return true;
        }
        await pause();
    }
}

// Waits until sound goes in these directions, as both sides have agreed (RFC 3264): sendrecv, sendonly, recvonly, inactive.
async function direction(wanted) {
    for (;;) {
        const [audio] = phone.connection().getTransceivers();
        if (audio.currentDirection === wanted) return wanted;
        await pause();
    }
}
