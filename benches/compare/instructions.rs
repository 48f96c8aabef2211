//! What Portward's work costs in instructions, by callgrind, as a table; of two programs side by side if there are two.
//!
//! The program does the same work N and 2N times, each time from its start to its end. The difference is what N times cost,
//! without what a start and an end cost. Clients and targets take one step at a time ([`Steps`]), so that the numbers hardly
//! depend on the machine. Only instructions of the program count, not the kernel's.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portward::demo::ras;
use portward::inspect::Inspect;
use portward::inspect::h323::{Ask, Inspector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::load::{Connection, Expected, Request, Way, ask, over};
use crate::origin::{HOSTS, Ports, SMALL};
use crate::peers::{Kind, Place, Proxy, Rules, counts};
use crate::process::{Process, write};
use crate::stand_in::{self, Visit};
use crate::steps::Steps;
use crate::{Failure, ldap, sip};

/// A row.
pub(crate) struct Counted {
    /// For `--only`.
    pub(crate) key: &'static str,
    /// What is done.
    work: &'static str,
    front: Front,
    /// Over TLS, on both sides.
    tls: bool,
    /// How often it is done in the shorter run.
    count: usize,
    run: for<'a> fn(&'a Site, usize) -> Running<'a>,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// In the names of the functions by which aws-lc gathers randomness, of those that others call.
const GATHERS: &str = "_tree_jitter_";

/// The protocol that is spoken.
#[derive(Debug, Clone, Copy)]
enum Front {
    Http,
    Sip,
    Ldap,
    H323,
}

/// All rows.
pub(crate) const COUNTED: &[Counted] = &[
    Counted {
        key: "kept-plain",
        work: "HTTP request, kept alive, plain → plain",
        front: Front::Http,
        tls: false,
        count: 400,
        run: |site, count| Box::pin(kept(site, count)),
    },
    Counted {
        key: "kept-tls",
        work: "HTTPS → HTTPS request, kept alive",
        front: Front::Http,
        tls: true,
        count: 400,
        run: |site, count| Box::pin(kept(site, count)),
    },
    Counted {
        key: "new-tcp",
        work: "new TCP connection + HTTP request",
        front: Front::Http,
        tls: false,
        count: 160,
        run: |site, count| Box::pin(fresh(site, count)),
    },
    Counted {
        key: "new-tls",
        work: "new TLS 1.3 connection + HTTPS request, full handshake",
        front: Front::Http,
        tls: true,
        count: 50,
        run: |site, count| Box::pin(fresh(site, count)),
    },
    Counted {
        key: "silent",
        work: "TCP connection that comes, says nothing and goes",
        front: Front::Http,
        tls: false,
        count: 160,
        run: |site, count| Box::pin(silent(site, count)),
    },
    Counted {
        key: "sip-kept",
        work: "SIP REGISTER on a connection that is open, plain → plain",
        front: Front::Sip,
        tls: false,
        count: 200,
        run: |site, count| Box::pin(sip_kept(site, count)),
    },
    Counted {
        key: "sip-ping",
        work: "SIP keep-alive on a connection that is open, TLS → TLS",
        front: Front::Sip,
        tls: true,
        count: 200,
        run: |site, count| Box::pin(sip_ping(site, count)),
    },
    Counted {
        key: "sip-new",
        work: "SIP REGISTER on a new connection, plain → plain",
        front: Front::Sip,
        tls: false,
        count: 160,
        run: |site, count| Box::pin(sip_new(site, count)),
    },
    Counted {
        key: "sip-new-tls",
        work: "SIP REGISTER on a new connection, TLS → TLS (two handshakes)",
        front: Front::Sip,
        tls: true,
        count: 40,
        run: |site, count| Box::pin(sip_new(site, count)),
    },
    Counted {
        key: "ldap",
        work: "LDAP bind and search on a new connection, plain → plain",
        front: Front::Ldap,
        tls: false,
        count: 160,
        run: |site, count| Box::pin(ldap_new(site, count)),
    },
    Counted {
        key: "h323",
        work: "H.323 registration on a new connection, plain → plain",
        front: Front::H323,
        tls: false,
        count: 160,
        run: |site, count| Box::pin(h323_new(site, count)),
    },
];

/// Where a row's clients go.
struct Site {
    port: u16,
    way: Way,
    steps: Steps,
}

impl Site {
    async fn open(&self) -> Result<Connection, Failure> {
        self.steps.wait()?;
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await?;
        tcp.set_nodelay(true)?;
        Ok(over(self.steps.stream(tcp), &self.way).await?.0)
    }

    /// Closes in the orderly way; what the proxy has to do then is done when this is.
    async fn close(&self, mut stream: Connection) -> Result<(), Failure> {
        let _ = stream.shutdown().await;
        self.steps.settle().await?;
        drop(stream);
        self.steps.settle().await
    }
}

/// Prints the table: of `programs`, the first the one that the other is held against.
pub(crate) fn count(
    programs: &[&str],
    rows: &[&Counted],
    core: Option<&str>,
    folder: &Path,
) -> Result<(), Failure> {
    if crate::process::says(&["valgrind", "--version"], "").is_none() {
        return Err("valgrind is not installed; scripts/instructions installs it".into());
    }
    let head = if programs.len() > 1 {
        "| base | program | ratio |\n|---|---|---:|---:|---:|"
    } else {
        "| program |\n|---|---|---:|"
    };
    println!("| row | work, in instructions {head}");
    for row in rows {
        let begun = Instant::now();
        let numbers = programs.iter().map(|program| row.measure(program, core, folder));
        let numbers =
            numbers.collect::<Result<Vec<_>, _>>().map_err(|failure| format!("{}: {failure}", row.key))?;
        let shown: Vec<String> = numbers.iter().map(|number| format!("{number:.0}")).collect();
        let ratio = match numbers[..] {
            [base, program] => format!(" {:.4} |", program / base),
            _ => String::new(),
        };
        println!("| {} | {} | {} |{ratio}", row.key, row.work, shown.join(" | "));
        eprintln!("{}: {:.1} s", row.key, begun.elapsed().as_secs_f64());
    }
    Ok(())
}

impl Counted {
    /// The instructions of doing it once.
    fn measure(&self, program: &str, core: Option<&str>, folder: &Path) -> Result<f64, Failure> {
        let warm_up = self.count / 5;
        let (long, took) = self.total(warm_up + 2 * self.count, Duration::ZERO, program, core, folder)?;
        // What the program does now and then by itself, it does as often in both.
        let (short, _) = self.total(warm_up + self.count, took, program, core, folder)?;
        Ok((long as f64 - short as f64) / self.count as f64)
    }

    /// The instructions of doing it so often, and of a start and an end, and how long the program was there: at least so
    /// long.
    fn total(
        &self,
        count: usize,
        least: Duration,
        program: &str,
        core: Option<&str>,
        folder: &Path,
    ) -> Result<(u64, Duration), Failure> {
        let here = tempfile::Builder::new().prefix("run-").tempdir_in(folder)?;
        for name in ["all.crt", "all.key", "all.pem"] {
            fs::copy(folder.join(name), here.path().join(name))?;
        }
        let place = Place { folder: here.path(), core, portward: program, counted: true };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let steps = Steps::default();
        let target =
            runtime.block_on(stand_in::spawn(here.path(), Some(steps.clone()), self.front.target()?))?;
        let (ports, process, counted) = self.front.start(target, place)?;
        let begun = Instant::now();
        steps.follow(process.id());
        let way = if self.tls { Way::tls(HOSTS[0], false)? } else { Way::Plain };
        let site = Site { port: if self.tls { ports.tls } else { ports.plain }, way, steps };
        runtime.block_on(async {
            site.steps.settle().await?;
            (self.run)(&site, count).await?;
            tokio::time::sleep(least.saturating_sub(begun.elapsed())).await;
            site.steps.settle().await
        })?;
        let took = begun.elapsed();
        process.end()?;
        Ok((read(&here.path().join(counted))?, took))
    }
}

/// The sum in a file of callgrind's, without what the cryptography does to gather randomness: that takes as long as it takes.
fn read(path: &Path) -> Result<u64, Failure> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let sum = text.lines().find_map(|line| line.strip_prefix("totals:"));
    let sum: u64 = sum.ok_or("callgrind has written no sum")?.trim().parse()?;
    // Names are written once, with a number that stands for them afterwards. A call is a line about the function that is
    // called, one about the number of calls, and one with its place and its cost.
    let mut gathers = HashMap::new();
    let mut is_gathering = |name: &str| {
        let (number, name) = name.split_once(' ').unwrap_or((name, ""));
        if !name.is_empty() {
            gathers.insert(number.to_owned(), name.contains(GATHERS));
        }
        gathers.get(number).copied().unwrap_or(false)
    };
    let (mut caller, mut called, mut is_call, mut left_out) = (false, false, false, 0);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            caller = is_gathering(name);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called = is_gathering(name);
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if std::mem::take(&mut is_call) && called && !caller {
            left_out += line.split(' ').nth(1).ok_or("a call without its cost")?.parse::<u64>()?;
        }
    }
    Ok(sum.checked_sub(left_out).ok_or("callgrind has counted calls twice")?)
}

impl Front {
    fn target(self) -> Result<Visit, Failure> {
        Ok(match self {
            Self::Http => Arc::new(|stream| Box::pin(answer(stream))),
            Self::Sip => sip::registrar(),
            Self::Ldap => ldap::directory(ldap::result(3)?.into()),
            Self::H323 => Arc::new(|stream| Box::pin(confirm(stream))),
        })
    }

    /// The proxy in front of `target`, and the file of its instructions, in the place's folder.
    fn start(self, target: Ports, place: Place<'_>) -> Result<(Ports, Process, std::path::PathBuf), Failure> {
        if let Self::Http = self {
            let Proxy { ports, process, .. } =
                Proxy::start(Kind::Portward, "two", Rules::Two([target; 2]), place)?;
            return Ok((ports, process, counts(Path::new("two-Portward"))));
        }
        let ports = Ports::free()?;
        let (process, folder) = match self {
            Self::Sip => (sip::portward(target, ports, place)?, "sip-portward"),
            Self::Ldap => (ldap::portward(target, ports, place)?, "ldap-Portward"),
            Self::Http | Self::H323 => (h323(target, ports, place)?, "h323"),
        };
        Ok((ports, process, counts(Path::new(folder))))
    }
}

/// Portward in front of a gatekeeper.
fn h323(target: Ports, Ports { plain, tls }: Ports, place: Place<'_>) -> Result<Process, Failure> {
    let folder = place.folder.join("h323");
    let shared = place.folder.display();
    fs::create_dir_all(&folder)?;
    let rules = format!(
        "[[host]]\nname = \"{}\"\ntarget = \"127.0.0.1\"\nh323 = {{ tcp = {}, tls = {} }}\n",
        HOSTS[0], target.plain, target.tls
    );
    write(&folder, "rules.toml", &rules)?;
    let text = format!(
        "rules = \"rules.toml\"\nstate = \"state\"\n\
         [listen]\nh323 = \"127.0.0.1:{plain}\"\nh323s = \"127.0.0.1:{tls}\"\n\
         [tls]\ncertificates = [{{ cert = \"{shared}/all.crt\", key = \"{shared}/all.key\" }}]\n\
         min_version = \"1.3\"\n[upstream]\nverify = \"none\"\n[limits]\ndrain_timeout = \"1s\"\n\
         [blacklist]\nallow = [\"127.0.0.0/8\"]\n[log]\nrejected = []\n"
    );
    place.portward(&folder, &text, &[plain, tls])
}

/// A web server: the same answer to every request.
async fn answer(mut stream: Connection) -> std::io::Result<()> {
    let mut octets = Vec::new();
    loop {
        while let Some(end) = memchr::memmem::find(&octets, b"\r\n\r\n") {
            octets.drain(..end + 4);
            let head = b"HTTP/1.1 200 OK\r\nServer: target\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                Content-Type: text/plain\r\nContent-Length: 9\r\nConnection: keep-alive\r\n\r\ntarget-a\n";
            stream.write_all(head).await?;
            stream.flush().await?;
        }
        if stream.read_buf(&mut octets).await? == 0 {
            return Ok(());
        }
    }
}

/// A gatekeeper: it confirms every registration.
async fn confirm(mut stream: Connection) -> std::io::Result<()> {
    let mut octets = Vec::new();
    loop {
        while let Inspect::Found { ask, len } = Inspector::new(16_384).inspect(&octets) {
            if let Ask::Registration(registration) = ask {
                stream.write_all(&ras::confirm(&registration, "target")).await?;
                stream.flush().await?;
            }
            octets.drain(..len);
        }
        if stream.read_buf(&mut octets).await? == 0 {
            return Ok(());
        }
    }
}

fn small() -> Request {
    Request::get(HOSTS[0], SMALL, Expected::Body(b"target-a\n"))
}

async fn kept(site: &Site, count: usize) -> Result<(), Failure> {
    let (mut stream, request, mut buffer) = (site.open().await?, small(), Vec::new());
    for _ in 0..count {
        ask(&mut *stream, &request, &mut buffer).await?;
    }
    site.close(stream).await
}

async fn fresh(site: &Site, count: usize) -> Result<(), Failure> {
    let (request, mut buffer) = (small(), Vec::new());
    for _ in 0..count {
        let mut stream = site.open().await?;
        ask(&mut *stream, &request, &mut buffer).await?;
        site.close(stream).await?;
    }
    Ok(())
}

async fn silent(site: &Site, count: usize) -> Result<(), Failure> {
    for _ in 0..count {
        let stream = site.open().await?;
        site.close(stream).await?;
    }
    Ok(())
}

async fn sip_kept(site: &Site, count: usize) -> Result<(), Failure> {
    let mut stream = site.open().await?;
    for number in 0..count {
        sip::register_on(&mut stream, 1, number + 1).await?;
    }
    site.close(stream).await
}

async fn sip_ping(site: &Site, count: usize) -> Result<(), Failure> {
    let mut stream = site.open().await?;
    sip::register_on(&mut stream, 1, 1).await?;
    for _ in 0..count {
        // RFC 5626 §3.5.1: two lines, answered by one.
        stream.write_all(b"\r\n\r\n").await?;
        stream.flush().await?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await?;
        if &answer != b"\r\n" {
            return Err("no answer to a keep-alive".into());
        }
    }
    site.close(stream).await
}

async fn sip_new(site: &Site, count: usize) -> Result<(), Failure> {
    for number in 0..count {
        let mut stream = site.open().await?;
        sip::register_on(&mut stream, number, 1).await?;
        site.close(stream).await?;
    }
    Ok(())
}

async fn ldap_new(site: &Site, count: usize) -> Result<(), Failure> {
    let length = ldap::result(3)?.len();
    for _ in 0..count {
        let mut stream = [site.open().await?];
        ldap::bind_on(&mut stream[0]).await?;
        ldap::search(&mut stream, 1, length).await?;
        let [stream] = stream;
        site.close(stream).await?;
    }
    Ok(())
}

async fn h323_new(site: &Site, count: usize) -> Result<(), Failure> {
    for number in 0..count {
        let mut stream = site.open().await?;
        let sequence = u16::try_from(number % 60_000)? + 1;
        stream.write_all(&ras::request(sequence, HOSTS[0], "phone")).await?;
        stream.flush().await?;
        let mut answer = Vec::with_capacity(1024);
        while ras::confirmed_by(&answer).is_none() {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err("not registered".into());
            }
        }
        site.close(stream).await?;
    }
    Ok(())
}
