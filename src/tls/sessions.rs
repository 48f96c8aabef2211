//! Data for resumption on ports that request certificates. rustls keeps the client's certificate with the session. Here
//! one more octet is kept, which says whether the client has proven that it holds the certificate's key. So a session
//! never proves more than its first handshake.

use std::sync::Arc;

use rustls::server::{ProducesTickets, StoresServerSessions};

use super::accept;
use super::possession::Possession;

/// The longest session that is kept, in octets. A ticket comes back in the ClientHello, which has a limit. The memory
/// for sessions is bounded by their number times this. Three certificates with RSA keys of 2048 bits have 4 KiB. A
/// client with a longer session makes a full handshake each time.
const LIMIT: usize = 8 * 1024;

/// A ticketer, or a store of sessions, that keeps the octet.
#[derive(Debug)]
pub(super) struct Marked<T: ?Sized>(pub(super) Arc<T>);

/// The session with the octet at its end. `None`: it is too long.
fn mark(session: &[u8]) -> Option<Vec<u8>> {
    if session.len() > LIMIT {
        return None;
    }
    let mut marked = Vec::with_capacity(session.len() + 1);
    marked.extend_from_slice(session);
    marked.push(u8::from(accept::noted() == Possession::Proven));
    Some(marked)
}

/// The session without the octet, which is noted for the handshake. `None`: the session is not ours, or no handshake is
/// under way. Then the session must not be resumed.
fn unmark(mut marked: Vec<u8>) -> Option<Vec<u8>> {
    let possession = match marked.pop()? {
        0 => Possession::Unproven,
        1 => Possession::Proven,
        _ => return None,
    };
    accept::note(possession).then_some(marked)
}

impl ProducesTickets for Marked<dyn ProducesTickets> {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.encrypt(&mark(plain)?)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(cipher).and_then(unmark)
    }
}

impl StoresServerSessions for Marked<dyn StoresServerSessions> {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        mark(&value).is_some_and(|value| self.0.put(key, value))
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).and_then(unmark)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.take(key).and_then(unmark)
    }

    fn can_cache(&self) -> bool {
        self.0.can_cache()
    }
}
