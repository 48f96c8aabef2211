//! The parts: what each of them does once, on inputs that are made before.

use std::hint::black_box;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use portward::config::{Config, LogFormat};
use portward::guard::{Guard, Offence, Policy, RequestRate};
use portward::inspect::http::{Inspector, ResponseInspector};
use portward::inspect::{Inspect, h323, ldap, proxy, sip};
use portward::log::{Line, Log, Outcome, Subject};
use portward::reason::{Reason, Weight};
use portward::rules::decide::{self, Scratch};
use portward::service::{Carrier, Service, Transport};

use crate::hosts::{hosts, name, table};
use crate::messages::{ANSWER, HOST, PATH, RRQ, bind, browser, captured, register};

/// A part.
pub(crate) struct Part {
    pub(crate) key: &'static str,
    /// The description of the work.
    pub(crate) work: &'static str,
    /// How often it is counted.
    pub(crate) times: u32,
    /// Makes its inputs. The work gets a number, which is another one each time, and tells whether it did what it should.
    pub(crate) prepare: fn() -> Work,
}

type Work = Box<dyn FnMut(u32) -> bool>;

/// All parts.
pub(crate) const PARTS: &[Part] = &[
    Part {
        key: "http-request",
        work: "head of a browser's request read",
        times: 2_000,
        prepare: http_request,
    },
    Part { key: "http-response", work: "head of an answer read", times: 2_000, prepare: http_response },
    Part { key: "sip-register", work: "SIP REGISTER read", times: 2_000, prepare: sip_register },
    Part {
        key: "ldap-bind",
        work: "LDAP bind read, and the host in its name",
        times: 2_000,
        prepare: ldap_bind,
    },
    Part { key: "h323-rrq", work: "H.323 registration read", times: 2_000, prepare: h323_registration },
    Part { key: "proxy-header", work: "PROXY header read, version 2", times: 2_000, prepare: proxy_header },
    Part {
        key: "look-up",
        work: "host and path looked up, of 10 hosts",
        times: 4_096,
        prepare: || look_up(10),
    },
    Part {
        key: "look-up-many",
        work: "host and path looked up, of 100,000 hosts",
        times: 4_096,
        prepare: || look_up(100_000),
    },
    Part { key: "guard-admit", work: "connection admitted, and its end", times: 4_096, prepare: admit },
    Part { key: "guard-request", work: "SIP request counted, with a rate", times: 4_096, prepare: request },
    Part { key: "guard-suspect", work: "offence counted", times: 4_096, prepare: suspect },
    Part {
        key: "log-text",
        work: "decision line written, as text",
        times: 2_000,
        prepare: || log(LogFormat::Text),
    },
    Part {
        key: "log-json",
        work: "decision line written, as JSON",
        times: 2_000,
        prepare: || log(LogFormat::Json),
    },
];

fn http_request() -> Work {
    let head = browser();
    Box::new(
        move |_| matches!(Inspector::default().inspect(black_box(&head)), Inspect::Found { len, .. } if len == head.len()),
    )
}

fn http_response() -> Work {
    Box::new(|_| matches!(ResponseInspector::new(false).inspect(black_box(ANSWER)), Inspect::Found { .. }))
}

fn sip_register() -> Work {
    let message = register();
    Box::new(move |_| {
        matches!(sip::Inspector::of_client().inspect(black_box(&message)), Inspect::Found { .. })
    })
}

fn ldap_bind() -> Work {
    let message = bind("contacts@dvl-ckl2.net");
    Box::new(move |_| match ldap::Inspector.inspect(black_box(&message)) {
        Inspect::Found { ask: ldap::Ask::Bind(bind), .. } => {
            bind.wants() == ldap::Wants::Host(b"dvl-ckl2.net")
        }
        _ => false,
    })
}

fn h323_registration() -> Work {
    let octets = captured(RRQ);
    Box::new(move |_| match h323::Opening::default().inspect(black_box(&octets)) {
        Inspect::Found { ask: h323::Ask::Registration(registration), .. } => {
            registration.host() == Some("pbx-alpha")
        }
        _ => false,
    })
}

fn proxy_header() -> Work {
    let header = proxy::encode(true, ([203, 0, 113, 9], 40_000).into(), ([192, 0, 2, 1], 443).into());
    Box::new(move |_| matches!(proxy::inspect(black_box(&header)), Inspect::Found { .. }))
}

/// Numbers below `count`, in an order that no cache can guess.
fn scattered(number: u32, count: u32) -> u32 {
    number.wrapping_mul(2_654_435_761) % count
}

fn look_up(count: u32) -> Work {
    let table = table(hosts(count));
    let names: Vec<String> = (0..4_096).map(|number| name(scattered(number, count))).collect();
    let mut scratch = Scratch::default();
    Box::new(move |number| {
        let host = names[number as usize % names.len()].as_bytes();
        let found = decide::http(&table, Transport::Tls, host, black_box(PATH.as_bytes()), &mut scratch);
        found.is_ok_and(|found| found.rule.endpoints.len() == 1)
    })
}

fn policy() -> Policy {
    let mut policy = Config::defaults(Path::new("portward.toml")).guard;
    // None of the limits is reached, however fast or slow the machine is.
    policy.connections.new_connections_per_second = 1_000_000;
    policy.connections.sip_requests = Some(RequestRate { count: 10_000, within: Duration::from_secs(1) });
    policy
}

/// How many clients the guard knows. They are known before it is counted, so that no table grows meanwhile.
const CLIENTS: u32 = 1_024;

fn client(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x1000_0000 + scattered(number % CLIENTS, 1 << 24)).into()
}

fn admit() -> Work {
    let (guard, policy) = (Guard::default(), policy());
    known(move |client| guard.admit(client, Service::Http, &policy).is_ok())
}

fn request() -> Work {
    let (guard, policy) = (Guard::default(), policy());
    known(move |client| guard.takes_request(client, &policy))
}

/// No client has so many offences that it is listed.
fn suspect() -> Work {
    let (guard, policy) = (Guard::default(), policy());
    let offence = Offence { reason: Reason::UnknownHost, weight: Weight::Whole, path: b"" };
    known(move |client| guard.suspect(client, offence, &policy).is_none())
}

/// The work with each client in turn, after each has come once.
fn known(mut work: impl FnMut(IpAddr) -> bool + 'static) -> Work {
    let came = (0..CLIENTS).all(|number| work(client(number)));
    Box::new(move |number| came && work(client(number)))
}

/// Writes nothing before the other end of the channel is gone. A thread that waits here does not sleep at its queue, so
/// it need not be woken for a line.
struct Blocked(Receiver<()>);

impl Write for Blocked {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line is made and put into the queue. The thread that writes it does not count.
fn log(format: LogFormat) -> Work {
    let (release, blocked) = mpsc::channel();
    let (log, thread) = Log::new(Blocked(blocked), true);
    // At the end the thread is released first, and then waited for.
    let ends = (release, thread);
    Box::new(move |number| {
        let _ = &ends;
        let subject = Subject::Http {
            host: HOST.as_bytes(),
            method: b"GET",
            target: PATH.as_bytes(),
            version: "HTTP/1.1",
            user: b"",
        };
        let to = SocketAddr::from(([172, 31, 31, 2], 443));
        let line = Line {
            id: u64::from(number),
            client: [203, 0, 113, 9].into(),
            port: 40_000,
            service: Service::Http,
            carrier: Carrier::Tls,
            subject,
            outcome: Outcome::Forwarded { to, new: true },
        };
        log.decision(format, black_box(&line), false);
        log.dropped() == 0
    })
}
