//! Why an exchange fails.

use std::io;

/// Why there is no whole response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The target ended without having answered a byte.
    TargetSilent,
    /// The target's answer is none: broken head, framing that can be read in two ways, an end in the middle.
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

/// How far it went when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeError {
    /// Why.
    pub failure: Failure,
    /// Nothing of a final response has been sent, so an answer of our own is possible.
    pub unanswered: bool,
    /// Part of a body was sent whose end is the connection's end: only a reset tells the client that it is not whole.
    pub truncates: bool,
    /// Nothing of the request's body was used and the target has said nothing: it can be sent again.
    pub untouched: bool,
    /// The target did not end the connection: it does not answer the kernel any more.
    pub vanished: bool,
}

/// Whether the kernel has given the peer up, instead of the peer having ended the connection.
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

    /// What is counted of an answer of which four octets of nine come; `breaks`: then the target breaks off, else the caller
    /// does not wait any longer.
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
        pbx.say(ANSWER);
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
