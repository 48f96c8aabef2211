//! One side of TLS, driven by rustls's unbuffered interface: records in, records and octets out. It reads and writes no
//! socket.

use std::ops::Deref;

use rustls::CommonState;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};

use super::records::Records;

/// By how much records are longer than their content: header, nonce, content type and tag, and perhaps the record of a key
/// update before them.
const EXPANSION: usize = 128;

/// A client or a server. Both have the same states.
pub(super) enum Session {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// The records of both directions. A session takes them from one, and puts its own into the other.
#[derive(Debug, Default)]
pub(super) struct Both {
    /// Records from the peer that were not processed yet.
    pub(super) incoming: Records,
    /// Records for the peer that were not sent yet.
    pub(super) outgoing: Records,
}

/// Why a session stops processing records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The content of a record was taken.
    Data,
    /// Nothing can be done without further records.
    Blocked,
    /// The peer has sent close_notify. Nothing that follows counts.
    Ended,
}

/// What is to be sent.
enum Outgoing<'o> {
    Data(&'o [u8]),
    CloseNotify,
}

impl Session {
    /// Processes records until there is content, or until nothing more can be done. `take` gets the content.
    ///
    /// # Errors
    /// The violation of TLS. The alert for it is among the outgoing records.
    pub(super) fn advance(
        &mut self,
        both: &mut Both,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Progress, rustls::Error> {
        self.run(both, take, &mut None)
    }

    /// Encrypts octets. Records that have come meanwhile are processed before them. [`Progress::Ended`]: one of those
    /// was close_notify.
    ///
    /// # Errors
    /// As of [`Self::advance`].
    pub(super) fn encrypt(
        &mut self,
        octets: &[u8],
        both: &mut Both,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Progress, rustls::Error> {
        self.send(Outgoing::Data(octets), both, take)
    }

    /// Says that nothing more will be sent (RFC 8446 section 6.1).
    ///
    /// # Errors
    /// As of [`Self::advance`].
    pub(super) fn close(
        &mut self,
        both: &mut Both,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Progress, rustls::Error> {
        self.send(Outgoing::CloseNotify, both, take)
    }

    fn send(
        &mut self,
        what: Outgoing<'_>,
        both: &mut Both,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Progress, rustls::Error> {
        let (mut unsent, mut reached) = (Some(what), Progress::Blocked);
        while unsent.is_some() {
            match self.run(both, take, &mut unsent)? {
                Progress::Data => {}
                // The peer's own side has ended, which hinders nothing. rustls says it once.
                Progress::Ended if reached == Progress::Blocked => reached = Progress::Ended,
                Progress::Blocked if unsent.is_none() => {}
                Progress::Ended | Progress::Blocked => return Err(rustls::Error::HandshakeNotComplete),
            }
        }
        Ok(reached)
    }

    fn run(
        &mut self,
        both: &mut Both,
        take: &mut dyn FnMut(&[u8]),
        send: &mut Option<Outgoing<'_>>,
    ) -> Result<Progress, rustls::Error> {
        match self {
            Self::Client(client) => advance(client, both, take, send),
            Self::Server(server) => advance(server, both, take, send),
        }
    }
}

impl Deref for Session {
    type Target = CommonState;

    fn deref(&self) -> &CommonState {
        match self {
            Self::Client(client) => client,
            Self::Server(server) => server,
        }
    }
}

/// Client or server, for the code that is the same for both.
trait Side: Deref<Target: Deref<Target = CommonState>> {
    type Data;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Side for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

impl Side for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

/// Follows the states until one of them ends the call. `send` is sent in the first state that allows it.
fn advance<S: Side>(
    side: &mut S,
    Both { incoming, outgoing }: &mut Both,
    take: &mut dyn FnMut(&[u8]),
    send: &mut Option<Outgoing<'_>>,
) -> Result<Progress, rustls::Error> {
    loop {
        let UnbufferedStatus { mut discard, state, .. } = side.process(incoming.filled_mut());
        let progress = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut taken = Ok(Some(Progress::Data));
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => {
                            take(record.payload);
                            discard += record.discard;
                        }
                        Err(error) => taken = Err(error),
                    }
                }
                taken
            }
            Ok(ConnectionState::EncodeTlsData(message)) => encode(message, outgoing).map(|()| None),
            // The records are in `outgoing` already, and are sent from there.
            Ok(ConnectionState::TransmitTlsData(records)) => {
                records.done();
                Ok(None)
            }
            Ok(ConnectionState::WriteTraffic(traffic)) => {
                let sent = send.take().map_or(Ok(()), |what| encrypt(traffic, &what, outgoing));
                sent.map(|()| Some(Progress::Blocked))
            }
            Ok(ConnectionState::BlockedHandshake) => Ok(Some(Progress::Blocked)),
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Some(Progress::Ended)),
            // There is no early data (decision 2), and no other state.
            Ok(_) => Err(rustls::Error::General("an unknown state of TLS".to_owned())),
            Err(error) => Err(error),
        };
        incoming.discard(discard);
        match progress {
            Ok(None) => {}
            Ok(Some(progress)) => return Ok(progress),
            Err(error) => {
                alert(side, incoming, outgoing);
                return Err(error);
            }
        }
    }
}

/// Takes the alert that rustls has prepared after an error, and the handshake messages before it.
fn alert<S: Side>(side: &mut S, incoming: &mut Records, outgoing: &mut Records) {
    // While there is something to send, rustls hands it out and looks at nothing else.
    while side.deref().wants_write() {
        let UnbufferedStatus { discard, state, .. } = side.process(incoming.filled_mut());
        let encoded = match state {
            Ok(ConnectionState::EncodeTlsData(message)) => encode(message, outgoing),
            _ => return,
        };
        incoming.discard(discard);
        if encoded.is_err() {
            return;
        }
    }
}

fn encode<D>(mut message: EncodeTlsData<'_, D>, outgoing: &mut Records) -> Result<(), rustls::Error> {
    let mut least = 1;
    loop {
        match message.encode(outgoing.room(least)) {
            Ok(count) => {
                outgoing.extend(count);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size }))
                if required_size > least =>
            {
                least = required_size;
            }
            Err(error) => return Err(rustls::Error::General(error.to_string())),
        }
    }
}

fn encrypt<D>(
    mut traffic: WriteTraffic<'_, D>,
    what: &Outgoing<'_>,
    outgoing: &mut Records,
) -> Result<(), rustls::Error> {
    let mut least = match what {
        Outgoing::Data(octets) => octets.len() + EXPANSION,
        Outgoing::CloseNotify => EXPANSION,
    };
    loop {
        let room = outgoing.room(least);
        let written = match what {
            Outgoing::Data(octets) => traffic.encrypt(octets, room),
            Outgoing::CloseNotify => traffic.queue_close_notify(room),
        };
        match written {
            Ok(count) => {
                outgoing.extend(count);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size }))
                if required_size > least =>
            {
                least = required_size;
            }
            Err(EncryptError::EncryptExhausted) => return Err(rustls::Error::EncryptError),
            Err(error) => return Err(rustls::Error::General(error.to_string())),
        }
    }
}
