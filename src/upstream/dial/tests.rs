//! The addresses of a target that are dialled, and their order.

use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::{Trust, Upstream};
use crate::reason::Reason;
use crate::rules::{TargetOptions, Verify};
use crate::stats::Stats;
use crate::tls::Occasion;
use crate::upstream::State;

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

/// Closes each connection at once. Returns how many came.
async fn hangs_up(listener: TcpListener) -> usize {
    let mut count = 0;
    while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await {
        count += 1;
    }
    count
}

/// TLS that accepts any certificate.
fn tls() -> UpstreamTls {
    let settings = Upstream {
        certificate: None,
        trust: Trust::System,
        verify: Verify::None,
        connect_timeout: Duration::from_secs(5),
    };
    UpstreamTls::load(&settings, Occasion::Start).0
}

fn endpoint(ip: &str) -> Endpoint {
    Endpoint { address: Address::Ip(ip.parse().unwrap()), options: Arc::new(TargetOptions::default()) }
}

/// Item 37: for one request every address is dialled once.
#[tokio::test]
async fn every_address_is_dialled_once_for_a_request() {
    let first = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind(("127.0.0.3", port)).await.unwrap();
    let tls = tls();
    let (resolver, health, pool) = (Resolver::default(), Health::default(), Pool::of_one_of(1));
    let (counters, stats) = (Counters::default(), Stats::of_workers(1));
    let timeout = Duration::from_secs(5);
    let dialer = Dialer {
        tls: &tls,
        resolver: &resolver,
        health: &health,
        listeners: &[],
        timeout,
        counters: &counters,
        targets: stats.dialled_by(0),
    };
    // The second address comes twice: in a list of addresses, or by two names.
    let endpoints = [endpoint("127.0.0.2"), endpoint("127.0.0.3"), endpoint("127.0.0.3")];
    let wanted = |transport| ConnectionWanted {
        service: Service::Http,
        endpoints: &endpoints,
        transport,
        port: NonZeroU16::new(port).unwrap(),
        host: "one.example.net",
        client: CLIENT,
        owner: std::net::Ipv4Addr::LOCALHOST.into(),
        local: CLIENT,
        is_chosen: false,
        only: None,
    };
    // Connections without a handshake, which end without an answer.
    let mut attempts = Attempts::default();
    let mut reached = Vec::new();
    while let Ok(connection) =
        dialer.connect(&wanted(Transport::Plain), &mut Vec::new(), &pool, &mut attempts).await
    {
        reached.push(connection.key.address.ip().to_string());
        attempts.failed(&connection, false);
    }
    assert_eq!(reached, ["127.0.0.2", "127.0.0.3"]);
    // A kept connection of a host that is gone: the other address is tried first.
    let mut kept = dialer
        .connect(&wanted(Transport::Plain), &mut Vec::new(), &pool, &mut Attempts::default())
        .await
        .unwrap();
    kept.fresh = false;
    for (vanished, next) in [(false, "127.0.0.2"), (true, "127.0.0.3")] {
        let mut attempts = Attempts::default();
        attempts.failed(&kept, vanished);
        let next_one =
            dialer.connect(&wanted(Transport::Plain), &mut Vec::new(), &pool, &mut attempts).await.unwrap();
        assert_eq!(next_one.key.address.ip().to_string(), next);
    }
    let before = (first, second);
    let drained = async |listener: &TcpListener, count: usize| {
        for _ in 0..count {
            listener.accept().await.unwrap();
        }
    };
    drained(&before.0, 3).await;
    drained(&before.1, 2).await;
    // Handshakes that fail.
    let (first, second) = (tokio::spawn(hangs_up(before.0)), tokio::spawn(hangs_up(before.1)));
    let refused =
        dialer.connect(&wanted(Transport::Tls), &mut Vec::new(), &pool, &mut Attempts::default()).await;
    let failures = refused.unwrap_err();
    let said: Vec<_> = failures.as_slice().iter().map(ToString::to_string).collect();
    assert_eq!(said, [2, 3].map(|last| format!("127.0.0.{last}:{port} tls-closed")));
    assert_eq!(failures.decisive().unwrap().cause.reason(), Reason::TargetTls);
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 1));
}

#[tokio::test]
async fn a_connection_for_requests_notices_a_dead_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = Stream::Plain(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
    let patience = |stream: &Stream| {
        let socket = socket2::SockRef::from(stream.tcp().unwrap());
        (socket.keepalive().unwrap(), socket.tcp_user_timeout().unwrap().map(|time| time.as_secs()))
    };
    stream.watch_requests();
    assert_eq!(patience(&stream), (true, Some(20)));
    stream.watch_upload(true);
    assert_eq!(patience(&stream), (true, Some(300)));
    stream.watch_upload(false);
    assert_eq!(patience(&stream), (true, Some(20)));
    stream.watch_tunnel();
    assert_eq!(patience(&stream), (true, Some(120)));
}

/// Split DNS may lead a name back to Portward. That cannot be known when the rules are loaded.
#[tokio::test]
async fn causes_a_target_that_is_ourselves_is_a_loop_and_one_that_refuses_our_certificate_is_not_in_doubt() {
    let ours = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = ours.local_addr().unwrap();
    let alerts = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refuses = alerts.local_addr().unwrap();
    let refusing = tokio::spawn(async move {
        let (mut tcp, _) = alerts.accept().await.unwrap();
        // A fatal alert: certificate_required (RFC 8446 section 6).
        tokio::io::AsyncWriteExt::write_all(&mut tcp, &[21, 3, 3, 0, 2, 2, 116]).await.unwrap();
        tcp
    });
    let tls = tls();
    let (resolver, health, pool) = (Resolver::default(), Health::default(), Pool::of_one_of(1));
    let (counters, stats) = (Counters::default(), Stats::of_workers(1));
    let dialer = Dialer {
        tls: &tls,
        resolver: &resolver,
        health: &health,
        listeners: &[address],
        timeout: Duration::from_secs(5),
        counters: &counters,
        targets: stats.dialled_by(0),
    };
    let endpoints = [endpoint("127.0.0.1")];
    for (to, transport, cause, doubtful) in [
        (address, Transport::Plain, Cause::Loop, true),
        (refuses, Transport::Tls, Cause::OurCertificateRefused, false),
    ] {
        let wanted = ConnectionWanted {
            service: Service::Sip,
            endpoints: &endpoints,
            transport,
            port: NonZeroU16::new(to.port()).unwrap(),
            host: "one.example.net",
            client: CLIENT,
            owner: std::net::Ipv4Addr::LOCALHOST.into(),
            local: CLIENT,
            is_chosen: false,
            only: None,
        };
        let failed = dialer.connect(&wanted, &mut Vec::new(), &pool, &mut Attempts::default()).await;
        let failures = failed.unwrap_err();
        assert_eq!(failures.as_slice(), [Failure { at: FailedAt::Address(to), cause }]);
        let is_down = health.state(to).is_some_and(|known| known.state == State::Down);
        assert_eq!(is_down, doubtful, "{cause}");
    }
    drop(refusing.await);
}

/// Issue 19, item 1: if a host was made over the API, its target's name may not lead to this machine.
#[tokio::test]
async fn item_1_hosts_of_the_api_do_not_reach_this_machine() {
    let listener = TcpListener::bind("127.0.0.4:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = tls();
    let (resolver, health, pool) = (Resolver::default(), Health::default(), Pool::of_one_of(1));
    let (counters, stats) = (Counters::default(), Stats::of_workers(1));
    let timeout = Duration::from_secs(5);
    let dialer = Dialer {
        tls: &tls,
        resolver: &resolver,
        health: &health,
        listeners: &[],
        timeout,
        counters: &counters,
        targets: stats.dialled_by(0),
    };
    let options = |elsewhere_only| Arc::new(TargetOptions { elsewhere_only, ..TargetOptions::default() });
    for (elsewhere_only, reached) in [(true, false), (false, true)] {
        let address = Address::Ip("127.0.0.4".parse().unwrap());
        let endpoints = [Endpoint { address, options: options(elsewhere_only) }];
        let wanted = ConnectionWanted {
            service: Service::Http,
            endpoints: &endpoints,
            transport: Transport::Plain,
            port: NonZeroU16::new(port).unwrap(),
            host: "one.example",
            client: CLIENT,
            owner: CLIENT.ip(),
            local: CLIENT,
            is_chosen: false,
            only: None,
        };
        let opened = dialer.connect(&wanted, &mut Vec::new(), &pool, &mut Attempts::default()).await;
        assert_eq!(opened.is_ok(), reached);
    }
    assert_eq!(hangs_up(listener).await, 1);
}

/// Everything that a test needs to dial.
struct Parts {
    tls: UpstreamTls,
    resolver: Resolver,
    health: Health,
    pool: Pool,
    counters: Counters,
    stats: Stats,
}

impl Parts {
    fn new() -> Self {
        Self {
            tls: tls(),
            resolver: Resolver::default(),
            health: Health::default(),
            pool: Pool::of_one_of(1),
            counters: Counters::default(),
            stats: Stats::of_workers(1),
        }
    }

    /// Opens a new connection to one of these addresses. Returns the last octet of the address that was reached.
    async fn connect(&self, service: Service, addresses: &[&str], port: u16) -> Result<u8, Failures> {
        self.connect_only(service, addresses, port, None).await
    }

    async fn connect_only(
        &self,
        service: Service,
        addresses: &[&str],
        port: u16,
        only: Option<&str>,
    ) -> Result<u8, Failures> {
        let dialer = Dialer {
            tls: &self.tls,
            resolver: &self.resolver,
            health: &self.health,
            listeners: &[],
            timeout: Duration::from_secs(5),
            counters: &self.counters,
            targets: self.stats.dialled_by(0),
        };
        let endpoints: Vec<_> = addresses.iter().map(|address| endpoint(address)).collect();
        let wanted = ConnectionWanted {
            service,
            endpoints: &endpoints,
            transport: Transport::Plain,
            port: NonZeroU16::new(port).unwrap(),
            host: "one.example.net",
            client: CLIENT,
            owner: std::net::Ipv4Addr::LOCALHOST.into(),
            local: CLIENT,
            is_chosen: false,
            only: only.map(|address| address.parse().unwrap()),
        };
        let mut attempts = Attempts::with_new_connections();
        let connected = dialer.connect(&wanted, &mut Vec::new(), &self.pool, &mut attempts).await;
        connected.map(|connection| match connection.key.address.ip() {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(_) => 0,
        })
    }
}

/// A listener on 127.0.0.LAST. Its port is free on the neighbouring addresses, too.
async fn listener(last: u8) -> (TcpListener, u16) {
    let listener = TcpListener::bind((std::net::Ipv4Addr::new(127, 0, 0, last), 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn an_address_that_has_failed_is_tried_last_and_phones_return_to_it_after_a_while() {
    let parts = Parts::new();
    let (_second, port) = listener(3).await;
    let both = ["127.0.0.2", "127.0.0.3"];
    for service in [Service::Http, Service::Sip] {
        assert_eq!(parts.connect(service, &both, port).await, Ok(3));
    }
    let first = SocketAddr::from(([127, 0, 0, 2], port));
    let known = parts.health.state(first).unwrap();
    assert_eq!((known.state, known.why), (State::Down, Some(Cause::Refused)));
    // The address is reachable again, but its pause is not over.
    let _first = TcpListener::bind(first).await.unwrap();
    assert_eq!(parts.connect(Service::Http, &both, port).await, Ok(3));
    // An only address is tried, whatever its state is.
    assert_eq!(parts.connect(Service::Http, &both[..1], port).await, Ok(2));
    assert_eq!(parts.health.state(first).unwrap().state, State::Up);
    assert_eq!(parts.connect(Service::Http, &both, port).await, Ok(2));
    for service in [Service::Sip, Service::H323] {
        assert_eq!(parts.connect(service, &both, port).await, Ok(3), "it was not up for a minute");
    }
    // A change of state is reported once.
    let (changes, lost) = parts.health.changes();
    let told: Vec<_> =
        changes.iter().map(|(address, change)| (address.ip().to_string(), change.now)).collect();
    let [first, second] = both.map(str::to_owned);
    assert_eq!(told, [(first.clone(), State::Down), (second, State::Up), (first, State::Up)]);
    assert_eq!((lost, parts.health.changes().0.len()), (0, 0));
}

#[tokio::test]
async fn a_request_of_a_dialog_goes_to_its_address_or_nowhere() {
    let parts = Parts::new();
    let (_second, port) = listener(3).await;
    let both = ["127.0.0.2", "127.0.0.3"];
    assert_eq!(parts.connect_only(Service::Sip, &both, port, Some("127.0.0.3")).await, Ok(3));
    for (only, cause) in [("127.0.0.2", Cause::Refused), ("127.0.0.4", Cause::NoTarget)] {
        let failures = parts.connect_only(Service::Sip, &both, port, Some(only)).await.unwrap_err();
        let at = FailedAt::Address(SocketAddr::new(only.parse().unwrap(), port));
        assert_eq!(failures.as_slice(), [Failure { at, cause }]);
    }
}

/// One connection waits for an address that never answers. Later ones go on after a second.
#[tokio::test(start_paused = true)]
async fn a_silent_address_costs_one_timeout_and_not_one_each() {
    let health = Health::default();
    let address = SocketAddr::from(([192, 0, 2, 1], 443));
    let (timeout, short) = (Duration::from_secs(5), Duration::from_millis(1_500));
    let first = health.begin(address);
    let other = health.begin(address);
    assert_eq!((first.patience(timeout), other.patience(timeout)), (timeout, short));
    assert_eq!(health.turn(address, None), Turn::InOrder);
    drop((first, other));
    assert!(health.is_quiet());
    assert_eq!(health.begin(address).patience(timeout), timeout);
}
