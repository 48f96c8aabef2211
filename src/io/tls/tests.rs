//! Both sides against tokio-rustls, which uses rustls's buffered interface.

use std::time::Duration;

use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::tls::{DevCa, provider};

const NAME: &str = "pbx.example.net";
pub(super) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// The configurations of a client and of a server that it trusts.
pub(super) fn configs(version: &'static SupportedProtocolVersion) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let ca = DevCa::new().unwrap();
    let issued = ca.server(&[NAME]).unwrap();
    let chain = CertificateDer::pem_slice_iter(issued.cert_pem.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
    let server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).unwrap()).unwrap();
    let client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(client), Arc::new(server))
}

pub(super) fn name() -> ServerName<'static> {
    ServerName::try_from(NAME).unwrap()
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("the deadline has passed")
}

/// A server of ours and a client of tokio-rustls. Both sides read and write at most `piece` octets at once.
async fn server(
    version: &'static SupportedProtocolVersion,
    piece: usize,
) -> (Tls<DuplexStream>, tokio_rustls::client::TlsStream<DuplexStream>) {
    let (client, server) = configs(version);
    let (near, far) = tokio::io::duplex(piece);
    let theirs = TlsConnector::from(client);
    let (ours, theirs) =
        within(async { tokio::join!(Tls::accept(near, server), theirs.connect(name(), far)) }).await;
    (ours.unwrap(), theirs.unwrap())
}

/// A client of ours and a server of tokio-rustls.
async fn client(
    version: &'static SupportedProtocolVersion,
    piece: usize,
) -> (Tls<DuplexStream>, tokio_rustls::server::TlsStream<DuplexStream>) {
    let (client, server) = configs(version);
    let (near, far) = tokio::io::duplex(piece);
    let theirs = TlsAcceptor::from(server);
    let (ours, theirs) =
        within(async { tokio::join!(Tls::connect(near, client, name()), theirs.accept(far)) }).await;
    (ours.unwrap(), theirs.unwrap())
}

/// Octets that repeat late, so that a lost or doubled piece shows.
fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect()
}

/// Sends octets and receives as many, at the same time, and compares what arrives.
async fn one_side<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, count: usize) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sent = octets(count);
    let send = async {
        writer.write_all(&sent).await.unwrap();
        writer.flush().await.unwrap();
    };
    let receive = async {
        let mut got = vec![0; count];
        reader.read_exact(&mut got).await.unwrap();
        assert!(got == octets(count), "what arrived is not what was sent");
    };
    tokio::join!(send, receive);
}

/// Sends octets both ways.
async fn exchange<O, T>(ours: &mut O, theirs: &mut T, count: usize)
where
    O: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    within(async { tokio::join!(one_side(ours, count), one_side(theirs, count)) }).await;
}

#[tokio::test]
async fn octets_arrive_both_ways() {
    for version in VERSIONS {
        let (client, server) = configs(version);
        for (piece, count) in [(2_000, 40_000), (64 * 1024, 500_000)] {
            let (near, far) = tokio::io::duplex(piece);
            let ours = async { one_side(&mut Tls::accept(near, server.clone()).await.unwrap(), count).await };
            let theirs = TlsConnector::from(client.clone());
            let theirs = async { one_side(&mut theirs.connect(name(), far).await.unwrap(), count).await };
            within(async { tokio::join!(ours, theirs) }).await;

            let (near, far) = tokio::io::duplex(piece);
            let ours = Tls::connect(near, client.clone(), name());
            let ours = async { one_side(&mut ours.await.unwrap(), count).await };
            let theirs = TlsAcceptor::from(server.clone());
            let theirs = async { one_side(&mut theirs.accept(far).await.unwrap(), count).await };
            within(async { tokio::join!(ours, theirs) }).await;
        }
    }
}

/// Both sides are ours. tokio-rustls reads nothing while it has something to send, so it waits forever here.
#[tokio::test]
async fn octets_may_arrive_one_by_one() {
    for version in VERSIONS {
        let (client, server) = configs(version);
        let (near, far) = tokio::io::duplex(1);
        let server = async { one_side(&mut Tls::accept(near, server).await.unwrap(), 3_000).await };
        let connect = Tls::connect(far, client, name());
        let client = async { one_side(&mut connect.await.unwrap(), 3_000).await };
        within(async { tokio::join!(server, client) }).await;
    }
}

#[tokio::test]
async fn an_idle_connection_has_no_memory_for_records() {
    let (mut ours, mut theirs) = server(&TLS13, 64 * 1024).await;
    exchange(&mut ours, &mut theirs, 100_000).await;
    let waits = poll_fn(|cx| Poll::Ready(Pin::new(&mut ours).poll_read(cx, &mut ReadBuf::new(&mut [0]))));
    assert!(waits.await.is_pending());
    let Both { incoming, outgoing } = &ours.records;
    assert!(incoming.is_released() && outgoing.is_released() && ours.plain.capacity() == 0);
}

#[tokio::test]
async fn keys_are_changed_as_often_as_the_peer_likes() {
    let (mut ours, mut theirs) = server(&TLS13, 64 * 1024).await;
    for _ in 0..20 {
        theirs.get_mut().1.refresh_traffic_keys().unwrap();
        exchange(&mut ours, &mut theirs, 50_000).await;
    }
    let (mut ours, mut theirs) = client(&TLS13, 64 * 1024).await;
    for _ in 0..20 {
        theirs.get_mut().1.refresh_traffic_keys().unwrap();
        exchange(&mut ours, &mut theirs, 50_000).await;
    }
}

#[tokio::test]
async fn a_session_is_resumed() {
    for version in VERSIONS {
        let (client, server) = configs(version);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (near, far) = tokio::io::duplex(64 * 1024);
            let connect = Tls::connect(far, client.clone(), name());
            let (accepted, connected) = tokio::join!(Tls::accept(near, server.clone()), connect);
            let (mut accepted, mut connected) = (accepted.unwrap(), connected.unwrap());
            // The tickets come with the first octets.
            exchange(&mut accepted, &mut connected, 10).await;
            assert_eq!(connected.session().handshake_kind(), Some(expected));
            assert_eq!(accepted.session().handshake_kind(), Some(expected));
        }
    }
}

#[tokio::test]
async fn tickets_are_sent_although_nothing_follows() {
    let (client, server) = configs(&TLS13);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connect = Tls::connect(far, client.clone(), name());
    let (accepted, connected) = tokio::join!(Tls::accept(near, server.clone()), connect);
    let (mut accepted, mut connected) = (accepted.unwrap(), connected.unwrap());
    // Both only read. The server's read waits, and sends the tickets before.
    let both_wait = async { tokio::join!(accepted.read_u8(), connected.read_u8()) };
    assert!(tokio::time::timeout(Duration::from_millis(50), both_wait).await.is_err());
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connect = Tls::connect(far, client, name());
    let (_accepted, connected) = tokio::join!(Tls::accept(near, server), connect);
    assert_eq!(connected.unwrap().session().handshake_kind(), Some(HandshakeKind::Resumed));
}

#[tokio::test]
async fn an_end_is_orderly_only_with_close_notify() {
    for version in VERSIONS {
        let (mut ours, mut theirs) = server(version, 64 * 1024).await;
        theirs.write_all(b"last").await.unwrap();
        theirs.shutdown().await.unwrap();
        let mut got = Vec::new();
        within(ours.read_to_end(&mut got)).await.unwrap();
        assert_eq!(got, b"last");
        // The other direction goes on.
        ours.write_all(b"answer").await.unwrap();
        ours.shutdown().await.unwrap();
        got.clear();
        within(theirs.read_to_end(&mut got)).await.unwrap();
        assert_eq!(got, b"answer");
        assert!(ours.write_all(b"more").await.is_err(), "nothing follows close_notify");

        let (mut ours, mut theirs) = server(version, 64 * 1024).await;
        theirs.write_all(b"last").await.unwrap();
        theirs.flush().await.unwrap();
        drop(theirs);
        let mut got = Vec::new();
        let error = within(ours.read_to_end(&mut got)).await.unwrap_err();
        assert_eq!((error.kind(), got.as_slice()), (io::ErrorKind::UnexpectedEof, b"last".as_slice()));
    }
}

/// The reader had no room for more than the first record. A write processes the others, and the end behind them.
#[tokio::test]
async fn what_a_write_finds_is_kept_for_the_reader() {
    for version in VERSIONS {
        let (mut ours, mut theirs) = server(version, 64 * 1024).await;
        for record in [b"one", b"two"] {
            theirs.write_all(record).await.unwrap();
            theirs.flush().await.unwrap();
        }
        theirs.shutdown().await.unwrap();
        let mut got = [0; 3];
        within(ours.read_exact(&mut got)).await.unwrap();
        assert_eq!(&got, b"one");
        ours.write_all(b"answer").await.unwrap();
        within(ours.read_exact(&mut got)).await.unwrap();
        assert_eq!(&got, b"two");
        assert_eq!(within(ours.read(&mut got)).await.unwrap(), 0, "this is an orderly end");
    }
}

/// A false record after a good one.
#[tokio::test]
async fn a_violation_ends_the_connection_after_what_came_before_it() {
    for version in VERSIONS {
        let (mut ours, mut theirs) = server(version, 64 * 1024).await;
        theirs.write_all(b"good").await.unwrap();
        theirs.flush().await.unwrap();
        theirs.get_mut().0.write_all(b"\x17\x03\x03\x00\x20this is no record of the session").await.unwrap();
        let mut got = [0; 100];
        assert_eq!(within(ours.read(&mut got)).await.unwrap(), 4);
        for _ in 0..2 {
            let error = within(ours.read(&mut got)).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            assert_eq!(inner, Some(&rustls::Error::DecryptError));
        }
        assert_eq!(ours.error(), Some(&rustls::Error::DecryptError));
        assert!(ours.write_all(b"more").await.is_err());
        // The peer is told.
        let told = within(theirs.read(&mut got)).await.unwrap_err();
        let inner = told.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        assert_eq!(inner, Some(&rustls::Error::AlertReceived(AlertDescription::BadRecordMac)));
    }
}

#[tokio::test]
async fn a_handshake_that_fails_tells_the_peer_why() {
    let (client, _) = configs(&TLS13);
    let (_, server) = configs(&TLS13);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connect = TlsConnector::from(client).connect(name(), far);
    let (accepted, connected) = within(async { tokio::join!(Tls::accept(near, server), connect) }).await;
    assert!(connected.is_err(), "the certificate is another authority's");
    let error = accepted.unwrap_err();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    assert!(matches!(inner, Some(rustls::Error::AlertReceived(_))), "{error}");

    // A client of another version only.
    let ((client, _), (_, server)) = (configs(&TLS12), configs(&TLS13));
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connect = TlsConnector::from(client).connect(name(), far);
    let (accepted, connected) = within(async { tokio::join!(Tls::accept(near, server), connect) }).await;
    assert!(accepted.is_err());
    let told = connected.unwrap_err();
    let inner = told.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    assert_eq!(inner, Some(&rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)));
}

#[tokio::test]
async fn a_handshake_ends_when_the_stream_does() {
    let (_, server) = configs(&TLS13);
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    far.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
    drop(far);
    let error = within(Tls::accept(near, server)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_peer_that_reads_nothing_costs_a_bounded_amount_of_memory() {
    let (mut ours, _theirs) = server(&TLS13, 1_000).await;
    let written = within(async {
        let mut written = 0;
        loop {
            let next = poll_fn(|cx| Poll::Ready(Pin::new(&mut ours).poll_write(cx, &[7; 100_000])));
            match next.await {
                Poll::Ready(count) => written += count.unwrap(),
                Poll::Pending => return written,
            }
        }
    })
    .await;
    assert!(written <= 2 * CONTENT, "{written}");
    assert!(ours.records.outgoing.filled().len() <= CONTENT + REST + 128);
}

#[tokio::test]
async fn what_no_reader_has_room_for_waits() {
    let (mut ours, mut theirs) = server(&TLS13, 64 * 1024).await;
    theirs.write_all(&octets(10_000)).await.unwrap();
    theirs.flush().await.unwrap();
    let mut got = Vec::new();
    let mut room = [0; 7];
    while got.len() < 10_000 {
        let count = within(ours.read(&mut room)).await.unwrap();
        got.extend_from_slice(&room[..count]);
    }
    assert!(got == octets(10_000));
}
