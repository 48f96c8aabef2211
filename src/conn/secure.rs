//! From a socket to a client whose bytes can be read: the PROXY header of a trusted peer, then TLS, all under one
//! deadline (contract section 1, step 2).

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::client::{Accepted, Client, Facts};
use crate::ending::{Ending, Responsible, Stage};
use crate::guard::UndecidedSlot;
use crate::inspect::Inspect;
use crate::inspect::proxy::{self, PROXY_LIMIT};
use crate::io::{Leg, Socket, Stream, Timer};
use crate::reason::Reason;
use crate::service::{Carrier, Transport};
use crate::state::Worker;
use crate::stats::Side;
use crate::tls::{Acceptor, Possession};

/// How much of a handshake is read: a ClientHello of 16 KiB and the messages that follow it. A ClientHello with a
/// session ticket or with a post-quantum key exchange has 2 KiB at most. With both it has 10 KiB at most.
const LIMIT: u32 = 17 * 1024;
/// The same if the client sends its certificate chain. Three certificates with RSA keys of 4096 bits have 5 KiB. One
/// certificate with a key of 16384 bits has as much.
const LIMIT_WITH_CERTIFICATE: u32 = 48 * 1024;

/// The pause before an incomplete PROXY header is examined again.
const GLANCE: Duration = Duration::from_millis(5);

/// Makes a client of an accepted connection.
///
/// # Errors
/// How the connection ended instead, with what is known by then.
pub(super) async fn secure(accepted: Accepted, worker: &Arc<Worker>) -> Result<Client, (Facts, Ending)> {
    let Accepted { mut tcp, mut facts, mut permit, mut place, live, expects_proxy_header } = accepted;
    let snapshot = worker.shared.snapshot.load_full();
    let (config, guard) = (&snapshot.config, &worker.shared.guard);
    let deadline = Instant::now() + config.limits.handshake_timeout;
    let ended = |responsible, reason| Ending::because(Stage::Secure, responsible, reason);

    if expects_proxy_header {
        let conveyed = async {
            // A balancer's health check connects and sends nothing. That is no offence.
            let came = timeout_at(deadline, tcp.peek(&mut [0])).await.map_err(|_| Reason::Silent)?;
            came.map_err(|_| Reason::Aborted)?;
            timeout_at(deadline, proxy_header(&mut tcp)).await.unwrap_or(Err(Reason::Timeout))
        };
        match in_place(&mut place, conveyed).await {
            Ok(Some((client, local))) => {
                (facts.client, facts.local) = (client, local);
                live.set_client(client);
            }
            Ok(None) => {}
            Err(reason) => return Err((facts, ended(responsible(reason), reason))),
        }
        let readmitted = guard.readmit(permit, facts.client.ip(), &config.guard);
        permit = readmitted.map_err(|reason| (facts, ended(Responsible::Policy, reason)))?;
        drop(place);
        place = guard.enter_undecided(facts.id, facts.client.ip(), &permit, false, &config.guard);
    }
    let (stream, possession) = match facts.transport() {
        Transport::Plain => (Stream::Plain(tcp), Possession::Unproven),
        Transport::Tls => {
            let Some(acceptor) = snapshot.server_tls.acceptor(facts.service) else {
                return Err((facts, ended(Responsible::Ourselves, Reason::TlsFailed)));
            };
            // In a box of its own: a plain connection needs no memory for a handshake.
            let secured = in_place(&mut place, Box::pin(tls(tcp, acceptor, deadline))).await;
            count(worker, &facts, secured.as_ref().err().copied());
            match secured {
                Ok(secured) => secured,
                Err(reason) => return Err((facts, ended(responsible(reason), reason))),
            }
        }
    };
    Ok(Client {
        facts,
        leg: Leg::new(stream),
        timer: Timer::new(config.limits.inspect_timeout, worker.draining.clone()),
        worker: worker.clone(),
        possession,
        place: Some(place),
        requests: 0,
        live,
        permit,
        front: None,
    })
}

/// The outcome of `work`, or [`Reason::Limit`] if the connection loses its place among the undecided first.
async fn in_place<T>(
    place: &mut UndecidedSlot,
    work: impl Future<Output = Result<T, Reason>>,
) -> Result<T, Reason> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Pending => place.poll_lost(cx).map(|()| Err(Reason::Limit)),
        ready => ready,
    })
    .await
}

/// Counts a handshake that was made or has failed. A handshake that never began, or whose connection lost its place, is
/// not counted.
fn count(worker: &Worker, facts: &Facts, failed: Option<Reason>) {
    if matches!(failed, None | Some(Reason::TlsFailed | Reason::NotTls)) {
        worker.shared.stats.worker(facts.worker).handshake(Side::Client, failed.is_none());
    }
}

/// The side that is responsible when a connection is not secured.
fn responsible(reason: Reason) -> Responsible {
    if reason == Reason::Limit { Responsible::Policy } else { Responsible::Client }
}

/// Takes the PROXY header off the stream, and no byte more.
async fn proxy_header(tcp: &mut TcpStream) -> Result<proxy::Conveyed, Reason> {
    let mut seen = [0; PROXY_LIMIT];
    let mut before = 0;
    loop {
        let count = tcp.peek(&mut seen).await.map_err(|_| Reason::Aborted)?;
        if count == 0 {
            return Err(Reason::Aborted);
        }
        if count == before {
            // Peeked octets stay readable, so a loop without a pause would spin.
            tokio::time::sleep(GLANCE).await;
        }
        before = count;
        match proxy::inspect(seen.get(..count).unwrap_or_default()) {
            Inspect::Found { ask, len } => {
                let header = seen.get_mut(..len).unwrap_or_default();
                tcp.read_exact(header).await.map_err(|_| Reason::Aborted)?;
                return Ok(ask);
            }
            Inspect::NeedMore => {}
            Inspect::Reject(reason) => return Err(reason),
        }
    }
}

/// Looks at the first octets without taking them. If they are no TLS handshake (RFC 8446 §5.1), the connection is
/// closed without the alert that rustls would send. So a scanner learns nothing.
async fn speaks_tls(tcp: &TcpStream) -> Result<(), Reason> {
    let mut first = [0; 2];
    match tcp.peek(&mut first).await {
        Ok(0) | Err(_) => Err(Reason::Aborted),
        Ok(1) if first.starts_with(&[0x16]) => Ok(()),
        Ok(_) if first == [0x16, 0x03] => Ok(()),
        Ok(_) => Err(Reason::NotTls),
    }
}

/// Does the TLS handshake, and gives the reason when it fails.
async fn handshake(acceptor: Acceptor, tcp: TcpStream) -> Result<(Stream, Possession), Reason> {
    let limit = if acceptor.asks_for_certificate() { LIMIT_WITH_CERTIFICATE } else { LIMIT };
    let accepted = acceptor.accept(Socket::limited(tcp, limit)).await;
    let (mut tls, possession) = accepted.map_err(|error| failure(&error))?;
    tls.io_mut().unlimited();
    Ok((Stream::Tls(Box::new(tls)), possession))
}

/// Begins TLS on a connection that was in the clear (StartTLS). No octets of it may be buffered. From now on the client
/// counts as a client that came by TLS. A connection that is undecided keeps its place.
///
/// # Errors
/// How the connection ended instead. It is closed then.
pub(super) async fn start_tls(
    client: &mut Client,
    acceptor: Acceptor,
    patience: Duration,
) -> Result<(), Ending> {
    let Stream::Plain(tcp) = std::mem::replace(&mut client.leg.stream, Stream::Closed) else {
        return Err(Ending::because(Stage::Secure, Responsible::Ourselves, Reason::TlsFailed));
    };
    let shaken = tls(tcp, acceptor, Instant::now() + patience);
    let shaken = match &mut client.place {
        Some(place) => in_place(place, shaken).await,
        None => shaken.await,
    };
    count(&client.worker, &client.facts, shaken.as_ref().err().copied());
    let (stream, possession) = shaken.map_err(|reason| {
        // With StartTLS the client has begun already, whether a byte of TLS came or not.
        let unbegun = matches!(reason, Reason::Silent | Reason::Aborted);
        let reason = if unbegun { Reason::TlsFailed } else { reason };
        Ending::because(Stage::Secure, responsible(reason), reason)
    })?;
    client.leg = Leg::new(stream);
    client.possession = possession;
    client.facts.carrier = Carrier::Tls;
    client.live.set_carrier(Carrier::Tls);
    Ok(())
}

/// Does TLS as a server, until `deadline`. If a handshake has begun and does not end, the reason is a failed handshake,
/// however it stopped. Routers that lose large packets can stop it in the middle, and that is not the client's fault.
async fn tls(tcp: TcpStream, acceptor: Acceptor, deadline: Instant) -> Result<(Stream, Possession), Reason> {
    timeout_at(deadline, speaks_tls(&tcp)).await.unwrap_or(Err(Reason::Silent))?;
    timeout_at(deadline, handshake(acceptor, tcp)).await.unwrap_or(Err(Reason::TlsFailed))
}

/// The reason of a failed handshake: the client did not speak TLS (a scanner), or it did not accept our certificate,
/// went away, or sent too long a handshake.
fn failure(error: &io::Error) -> Reason {
    use rustls::{Error, InvalidMessage};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        )) => Reason::NotTls,
        _ => Reason::TlsFailed,
    }
}
