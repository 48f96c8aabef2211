//! A WebSocket with SIP, which Portward itself ends. The handshake is answered here. From then on the client is a SIP
//! client (contract section 9). [`route::websocket`](crate::route::websocket) decides whether the WebSocket may be
//! opened.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::answer::{Reply, reply_with};
use super::refuse::{is_answered, is_balancer};
use super::{Next, Turn};
use crate::conn::client::{Client, Front};
use crate::ending::{Ending, Responsible, Stage};
use crate::io::Stream;
use crate::log::Outcome;
use crate::relay::sip::SipMessages;
use crate::route::websocket::{Handshake, HandshakeRefusal, SUBPROTOCOL};
use crate::rules::{Host, WebSocketRule};
use crate::service::{Carrier, Service, Transport};
use crate::stats::Opening;

/// A client that has opened a WebSocket.
pub(super) struct Opened {
    /// The address to which it was opened.
    front: Arc<Front>,
    /// The client's address: the peer's, or the one that a trusted balancer names.
    client: SocketAddr,
    carrier: Carrier,
    /// How long the first request may take.
    wait: Duration,
}

/// Answers the handshake.
pub(super) async fn open(
    client: &mut Client,
    turn: &Turn<'_>,
    (host, path, rule): (Host<'_>, &str, &WebSocketRule),
) -> Next {
    let came_by = turn.came_by();
    let handshake = Handshake {
        head: turn.asked.head(),
        request: turn.asked.request(),
        host: turn.asked.host(),
        came_by,
    };
    let key = match handshake.judge(rule) {
        Ok(key) => key,
        Err(refusal) => return refuse(client, turn, refusal).await,
    };
    let brought = handshake.brought(turn.asked.target(), turn.user.get().is_some());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n",
        derive_accept_key(key)
    );
    turn.decided(client, Outcome::WebSocket);
    turn.answered(101);
    if client.send(answer.as_bytes(), turn.config().limits.inspect_timeout).await.is_err() {
        return Next::End(Ending::peacefully(Stage::Route, Responsible::Client));
    }
    let peer = client.facts.client;
    let carrier = match came_by {
        Transport::Plain => Carrier::Ws,
        Transport::Tls => Carrier::Wss,
    };
    Next::Sip(Box::new(Opened {
        front: Arc::new(Front {
            host: host.name().into(),
            path: path.into(),
            named: turn.asked.host().into(),
            brought,
        }),
        client: if turn.who == peer.ip() { peer } else { SocketAddr::new(turn.who, 0) },
        carrier,
        wait: rule.wait,
    }))
}

/// Refuses to open a WebSocket. The refusal is answered where other refusals are answered. A refusal that does not count
/// is always answered.
async fn refuse(client: &mut Client, turn: &Turn<'_>, refusal: HandshakeRefusal) -> Next {
    let HandshakeRefusal { status, reason, counts } = refusal;
    let ended = Ending::because(Stage::Route, Responsible::Policy, reason);
    let ended = if counts { ended } else { ended.uncounted() };
    turn.refused(client, ended);
    let goes_on = !turn.asked.has_body();
    match status {
        426 => {
            let fields = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
            reply_with(client, turn, Reply { status, goes_on, ended }, fields).await
        }
        _ if !counts || is_answered(client, turn.config()) => {
            let goes_on = goes_on && is_balancer(client, turn.config());
            reply_with(client, turn, Reply { status, goes_on, ended }, "").await
        }
        _ => Next::End(ended),
    }
}

impl Opened {
    /// Turns the client into a SIP client that is not decided yet.
    pub(super) async fn take(self, mut client: Client) -> Client {
        let Self { front, client: believed, carrier, wait } = self;
        let snapshot = client.worker.shared.snapshot.load_full();
        client.facts.client = believed;
        (client.facts.service, client.facts.carrier) = (Service::Sip, carrier);
        let stats = &client.worker.shared.stats;
        let opening = Opening { id: client.facts.id, client: believed, service: Service::Sip, carrier };
        client.live = stats.register(client.facts.worker, opening);
        client.live.attend().await;
        let guard = &client.worker.shared.guard;
        let (id, address) = (client.facts.id, believed.ip());
        client.place =
            Some(guard.enter_undecided(id, address, &client.permit, false, &snapshot.config.guard));
        let below = std::mem::replace(&mut client.leg.stream, Stream::Closed);
        let read = std::mem::take(&mut client.leg.buffer);
        client.leg.stream = below.into_websocket(read, &SipMessages);
        client.leg.stream.keep_alive();
        // This time is for a first request that has not begun. A request that has begun takes no longer than on any
        // connection.
        client.leg.stream.expect_within(Some(snapshot.config.limits.inspect_timeout));
        client.timer.set(wait);
        client.front = Some(front);
        client
    }
}
