//! A protocol of lines, and a connection that the driver serves by it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::super::super::client::Facts;
use super::super::*;
use crate::io::Timer;
use crate::io::memory::{Far, leg};
use crate::log::Log;
use crate::relay::watched::{Next, Replies, Watch, by_client};
use crate::rules::decide;
use crate::service::{Carrier, Service};
use crate::state::{Shared, Worker};
use crate::stats::Opening;
use crate::tls::Possession;

pub(super) const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000);

/// Before the decision: `ping` is answered, `drop N` takes `N` more octets, `bad` is malformed, `long` gets an answer
/// of its own and is refused, and `tls` wants TLS. Any other line asks for the host of that name. After the decision
/// `cut` ends the connection.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Whether the server says `welcome` first.
    pub(super) greets: bool,
}

fn line(input: &[u8]) -> Option<(&str, usize)> {
    let end = input.iter().position(|octet| *octet == b'\n')?;
    Some((std::str::from_utf8(&input[..end]).unwrap(), end + 1))
}

impl Protocol for Lines {
    const LIMIT: usize = 64;
    type Asked = String;
    type Watch = Lines;

    fn greeting(&self, _: &Asking<'_, '_>, out: &mut Vec<u8>) {
        if self.greets {
            out.extend_from_slice(b"welcome\n");
        }
    }

    fn open(&mut self, input: &[u8], _: &Asking<'_, '_>, back: &mut Vec<u8>) -> Step<String> {
        assert!(back.is_empty() && !input.is_empty());
        match line(input) {
            None if input.len() >= Self::LIMIT => Step::Reject(Reason::TooLarge),
            None => Step::NeedMore,
            Some(("bad", _)) => Step::Reject(Reason::Malformed),
            Some(("tls", len)) => {
                back.extend_from_slice(b"go\n");
                Step::StartTls { len }
            }
            Some(("ping", len)) => {
                back.extend_from_slice(b"pong\n");
                Step::Answered { len, skip: 0 }
            }
            Some((text, len)) => match text.strip_prefix("drop ") {
                Some(skip) => Step::Answered { len, skip: skip.parse().unwrap() },
                None => Step::Found(text.to_owned()),
            },
        }
    }

    fn undecided(&self, waiting: &[u8], ending: Ending) -> Ending {
        if waiting == b"half" { ending.uncounted() } else { ending }
    }

    fn decide<'s>(
        &mut self,
        asked: &mut String,
        asking: &Asking<'_, 's>,
        back: &mut Vec<u8>,
    ) -> Decision<'s> {
        let refused = Ending::because(Stage::Route, Responsible::Policy, Reason::TooLarge).uncounted();
        match asked.as_str() {
            "long" => {
                back.extend_from_slice(b"too long\n");
                Decision::Refused { ending: refused, line: false }
            }
            "later" => {
                back.extend_from_slice(b"come again\n");
                Decision::Answered { len: "later\n".len(), skip: 0, line: Some(refused) }
            }
            name => {
                let table = &asking.snapshot.table;
                let came_by = asking.transport();
                match decide::signalling(table, Service::Ldap, came_by, name.as_bytes(), |_| false) {
                    Ok(route) => Decision::Forward { route, name: name.into(), only: None },
                    Err(refusal) => {
                        Decision::refused(Ending::because(Stage::Route, Responsible::Policy, refusal.reason))
                    }
                }
            }
        }
    }

    fn subject<'a>(&self, asked: &'a String) -> Subject<'a> {
        Subject::Signalling {
            who: asked.as_bytes(),
            verb: b"LINE",
            name: b"",
            certificate: "",
            unproven: None,
        }
    }

    fn refusal(&self, asked: Option<&String>, _: Ending, _: &Asking<'_, '_>, out: &mut Vec<u8>) {
        out.extend_from_slice(if asked.is_some() { b"no\n" } else { b"what?\n" });
    }

    fn watch(self, _: String, connected: Connected<'_>) -> Self {
        assert!(!connected.client.leg.buffer.is_empty(), "the message that decided is still in the buffer");
        self
    }

    fn over(_: &Self, ending: Ending) -> Ending {
        ending
    }

    fn last(_: &Self, octets: &[u8], write: &mut dyn FnMut(Subject<'_>)) {
        let who = line(octets).unwrap().0.as_bytes();
        write(Subject::Signalling { who, verb: b"LAST", name: b"", certificate: "", unproven: None });
    }
}

impl Watch for Lines {
    const CLIENT_LIMIT: usize = 64;
    const TARGET_LIMIT: usize = 64;

    fn hear_client(&mut self, octets: &[u8], replies: &mut Replies<'_>) -> Next {
        match line(octets) {
            None => Next::NeedMore,
            Some(("cut", _)) => {
                replies.back.extend(b"cut it is\n");
                Next::End(by_client(Reason::Method))
            }
            Some((_, len)) => Next::Pass(len as u64),
        }
    }

    fn hear_target(&mut self, octets: &[u8], _: &mut Replies<'_>) -> Next {
        Next::Pass(octets.len() as u64)
    }
}

#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A connection that is being served.
pub(super) struct Served {
    pub(super) far: Far,
    served: JoinHandle<()>,
    pub(super) shared: Arc<Shared>,
    kept: Kept,
    written: tracing_appender::non_blocking::WorkerGuard,
    _folder: tempfile::TempDir,
}

fn configured(folder: &Path, more: &str, port: u16) -> Snapshot {
    let (config, rules) = (folder.join("portward.toml"), folder.join("rules.toml"));
    let text = format!(
        "rules = \"rules.toml\"\nstate = \"state\"\nlog.ended = \"all\"\nlog.forwarded = \"all\"\n{more}"
    );
    std::fs::write(&config, text).unwrap();
    let rule = format!("[[host]]\nname = \"here\"\ntarget = \"127.0.0.1\"\nldap = {{ tcp = {port} }}\n");
    std::fs::write(&rules, rule).unwrap();
    let loaded = crate::config::load_all(&config).unwrap_or_else(|found| panic!("{}", found.render(false)));
    Snapshot::new(loaded.config, loaded.table, None).0
}

impl Served {
    /// `port`: the port of the target of the host `here`.
    pub(super) fn begin(more: &str, port: u16) -> Self {
        Self::by(Lines::default(), more, port)
    }

    /// The same with these settings of the protocol.
    pub(super) fn by(lines: Lines, more: &str, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::default();
        let (log, written) = Log::new(kept.clone(), false);
        let shared = Arc::new(Shared::new(configured(folder.path(), more, port), log, 1));
        let draining = CancellationToken::new();
        let worker = Arc::new(Worker {
            shared: shared.clone(),
            number: 0,
            pool: crate::upstream::Pool::of_one_of(1),
            draining: draining.clone(),
        });
        let (service, carrier) = (Service::Ldap, Carrier::Tcp);
        let policy = &shared.snapshot.load().config.guard;
        let permit = shared.guard.admit(CLIENT.ip(), service, policy).unwrap();
        let place = shared.guard.enter_undecided(1, CLIENT.ip(), &permit, false, policy);
        let facts = Facts {
            id: 1,
            client: CLIENT,
            local: CLIENT,
            service,
            carrier,
            since: Instant::now(),
            worker: 0,
        };
        let (leg, far) = leg();
        let client = Client {
            facts,
            leg,
            timer: Timer::new(Duration::from_secs(10), draining),
            worker,
            possession: Possession::Unproven,
            place: Some(place),
            requests: 0,
            live: shared.stats.register(0, Opening { id: 1, client: CLIENT, service, carrier }),
            permit,
            front: None,
        };
        let served = tokio::spawn(async move {
            client.live.attend().await;
            serve(client, lines).await;
        });
        Self { far, served, shared, kept, written, _folder: folder }
    }

    /// Waits until the tasks have nothing left to do.
    pub(super) async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    /// What the client has heard at the end, and the lines of the log without the parts that are the same in all of
    /// them.
    pub(super) async fn end(self) -> (String, Vec<String>) {
        tokio::time::timeout(Duration::from_secs(60), self.served).await.unwrap().unwrap();
        assert_eq!(self.shared.guard.connections(), 0, "its permit is given back");
        drop(self.shared);
        drop(self.written);
        let text = String::from_utf8(self.kept.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("REVERSE-PROXY 1 192.0.2.1 "));
        let lines = lines.map(|line| line.rsplit_once(", ").map_or(line, |(line, _)| line).to_owned());
        (String::from_utf8(self.far.heard()).unwrap(), lines.collect())
    }
}
