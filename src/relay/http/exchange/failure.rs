//! Why an exchange fails.

use std::io;

/// Why an exchange has no whole response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The target ended without having sent an octet of an answer.
    TargetSilent,
    /// The target's answer is invalid: its head is broken, its framing has two readings, or it ends in the middle.
    TargetBroken,
    /// The target did not answer in time.
    TargetTimeout,
    /// The client went away.
    Client,
    /// The client broke the framing of its own message.
    ClientMalformed,
    /// The client neither sent nor took anything for too long.
    ClientTimeout,
    /// The client sent its body too slowly ([`Patience::min_rate`](super::Patience::min_rate)).
    ClientSlow,
}

/// A failure, and how far the exchange had gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeError {
    /// The failure.
    pub failure: Failure,
    /// No part of a final response was sent, so Portward itself can answer.
    pub unanswered: bool,
    /// Part of a body was sent whose end is the connection's end. Only a reset tells the client that the body is not
    /// whole.
    pub truncates: bool,
    /// Nothing of the request's body was used, and the target has sent nothing. So the request can be sent again.
    pub untouched: bool,
    /// The target did not end the connection: its kernel does not answer any more.
    pub vanished: bool,
}

/// Whether the kernel has given the peer up. False: the peer itself has ended the connection.
pub(super) fn has_vanished(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    matches!(error.kind(), TimedOut | HostUnreachable | NetworkUnreachable)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;
    use tokio_util::sync::CancellationToken;

    use super::super::*;
    use crate::io::memory::leg;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour";

    /// The counts of an answer of which four octets of nine arrive. `breaks`: the target breaks off then. Otherwise the
    /// caller stops waiting.
    async fn counted(breaks: bool) -> [u64; 2] {
        let ((mut client, _phone), (mut target, pbx)) = (leg(), leg());
        let mut request = Outgoing {
            head: Buffer::default(),
            framing: Framing::NONE,
            is_head: false,
            websocket: false,
            expects_continue: false,
            version: Version::Http11,
            persistent: true,
            answer: None,
        };
        request.head.extend(HEAD);
        pbx.send(ANSWER);
        if breaks {
            pbx.end();
        }
        let day = Duration::from_secs(86_400);
        let mut timer = Timer::new(day, CancellationToken::new());
        let patience = Patience { client: day, target: day, min_rate: 0 };
        let mut bytes = [100, 1000];
        let legs = (&mut client, &mut target);
        let mut witness = |_: &Response, _: &[u8]| {};
        let exchanged = exchange(legs, &mut request, &mut timer, patience, &mut witness, &mut bytes);
        match timeout(Duration::from_secs(5), exchanged).await {
            Ok(exchanged) => assert!(breaks && exchanged.unwrap_err().failure == Failure::TargetBroken),
            Err(_) => assert!(!breaks),
        }
        bytes
    }

    #[tokio::test(start_paused = true)]
    async fn item_1_octets_are_counted_however_an_exchange_ends() {
        let expected = [100 + HEAD.len() as u64, 1000 + ANSWER.len() as u64];
        assert_eq!(counted(true).await, expected);
        assert_eq!(counted(false).await, expected);
    }
}
