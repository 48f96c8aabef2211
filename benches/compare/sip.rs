//! SIP registrations and their memory, compared with HAProxy in its `mode tcp` and with Kamailio, which is shown in
//! nginx's column. HAProxy moves octets. Kamailio reads every message, but sends all of them on one connection to the
//! target. HAProxy and Portward open a connection for each client.

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portward::inspect::Inspect;
use portward::inspect::sip::{Ask, Inspector};
use portward::relay::sip::respond;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::Failure;
use crate::load::{Connection, Way, open};
use crate::measure::{Bench, Samples};
use crate::origin::Ports;
use crate::peers::{Kind, Setup};
use crate::process::{Process, write};
use crate::stand_in::{self, Visit};

/// The domain of the phones.
pub(crate) const HOST: &str = "pbx-a.example.net";
/// Registrations in one round, each on its own connection.
const REGISTRATIONS: usize = 600;
/// The number of measured tunnels, and of earlier ones. The earlier ones cause memory that does not belong to a single
/// tunnel.
const TUNNELS: usize = 5_000;
const FIRST: usize = 50;

/// The processor time of a registration by TLS: both handshakes, the request, the answer, and the end.
pub(crate) fn registration(bench: &Bench<'_>) -> Result<Samples, Failure> {
    let (pbx, _running) = stand_in::start(bench.place.folder, registrar())?;
    let proxies = start_all(pbx, bench.place)?;
    let count = (REGISTRATIONS / bench.shorter).max(10);
    let way = Way::tls(HOST, false)?;
    let run = |at: usize, count: usize| {
        let (ports, process) = &proxies[at];
        let before = process.processor_time()?;
        bench.runtime.block_on(async {
            for number in 0..count {
                register(ports.tls, &way, number).await?;
            }
            Ok::<_, Failure>(())
        })?;
        std::thread::sleep(Duration::from_millis(50));
        let used = process.processor_time()?.saturating_sub(before);
        Ok(vec![used.as_secs_f64() / count as f64])
    };
    for at in 0..proxies.len() {
        run(at, 10)?;
    }
    bench.rounds(|at, _| run(at, count))
}

/// The memory of a tunnel on which a phone has registered and is now idle.
pub(crate) fn idle(bench: &Bench<'_>, tls: bool) -> Result<Samples, Failure> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let count = (TUNNELS / bench.shorter).min(usize::try_from(limit / 3)?);
    let way = if tls { Way::tls(HOST, false)? } else { Way::Plain };
    let rounds = Bench { rounds: bench.rounds.min(3), ..*bench };
    rounds.rounds(|at, _| {
        let (pbx, _running) = stand_in::start(bench.place.folder, registrar())?;
        let (ports, process) = start(at, pbx, bench.place)?;
        let port = if tls { ports.tls } else { ports.plain };
        let hold = async |from: usize, count: usize| {
            let mut held = Vec::new();
            for number in from..from + count {
                held.push(register(port, &way, number).await?);
            }
            Ok::<_, Failure>(held)
        };
        let _first = bench.runtime.block_on(hold(0, FIRST))?;
        let before = settled(&process)?;
        let _held = bench.runtime.block_on(hold(FIRST, count))?;
        let after = settled(&process)?;
        Ok(vec![after.saturating_sub(before) as f64 / count as f64])
    })
}

/// A program's memory after a moment without any event.
pub(crate) fn settled(process: &Process) -> Result<u64, Failure> {
    let begun = Instant::now();
    let mut last = process.memory()?;
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = process.memory()?;
        if now == last || begun.elapsed() > Duration::from_secs(3) {
            return Ok(now);
        }
        last = now;
    }
}

fn start_all(pbx: Ports, place: Setup<'_>) -> Result<Vec<(Ports, Process)>, Failure> {
    (0..Kind::ALL.len()).map(|at| start(at, pbx, place)).collect()
}

/// The proxy of a column in front of the PBX. Both sides are plain, or both are TLS.
fn start(at: usize, pbx: Ports, place: Setup<'_>) -> Result<(Ports, Process), Failure> {
    let ports = Ports::free()?;
    let Ports { plain, tls } = ports;
    let name = ["haproxy", "kamailio", "portward"].get(at).copied().unwrap_or_default();
    let folder = place.folder.join(format!("sip-{name}"));
    fs::create_dir_all(&folder)?;
    let (shared, here) = (place.folder.display(), folder.display());
    let listening = [plain, tls];
    let log = folder.join("log");
    let process = match name {
        "haproxy" => {
            let text = format!(
                "global\n nbthread 1\n maxconn 9000\n ssl-server-verify none\n\
                 \x20ssl-default-bind-options ssl-min-ver TLSv1.3\n ssl-default-server-options ssl-min-ver TLSv1.3\n\
                 \x20ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256\n\
                 defaults\n mode tcp\n maxconn 9000\n timeout connect 5s\n timeout client 2h\n timeout server 2h\n\
                 listen plain\n bind 127.0.0.1:{plain}\n server s 127.0.0.1:{}\n\
                 listen tls\n bind 127.0.0.1:{tls} ssl crt {shared}/all.pem\n\
                 \x20server s 127.0.0.1:{} ssl verify none no-ssl-reuse sni str({HOST})\n",
                pbx.plain, pbx.tls
            );
            let file = write(&folder, "haproxy.cfg", &text)?;
            Process::start(&[&place.peers.haproxy, "-db", "-f", &file], place.cores, &listening, log)?
        }
        "kamailio" => {
            let modules = modules("tls")?;
            let text = format!(
                "debug=0\nlog_stderror=yes\nchildren=1\ntcp_children=1\nenable_tls=yes\nauto_aliases=no\ndns=no\n\
                 rev_dns=no\ntcp_max_connections=20000\ntls_max_connections=20000\ntcp_connection_lifetime=7200\n\
                 listen=tcp:127.0.0.1:{plain}\nlisten=tls:127.0.0.1:{tls}\nmpath=\"{modules}\"\n\
                 loadmodule \"tls.so\"\nloadmodule \"pv.so\"\nmodparam(\"tls\", \"private_key\", \"{shared}/all.key\")\n\
                 modparam(\"tls\", \"certificate\", \"{shared}/all.crt\")\nmodparam(\"tls\", \"tls_method\", \"TLSv1.2+\")\n\
                 request_route {{\n if (proto == TLS) {{ $du = \"sip:127.0.0.1:{};transport=tls\"; }}\n\
                 \x20else {{ $du = \"sip:127.0.0.1:{};transport=tcp\"; }}\n forward();\n}}\n",
                pbx.tls, pbx.plain
            );
            let file = write(&folder, "kamailio.cfg", &text)?;
            let run = here.to_string();
            let command =
                ["kamailio", "-f", &file, "-DD", "-E", "-m", "1024", "-M", "16", "-Y", &run, "-w", &run];
            Process::start(&command, place.cores, &listening, log)?
        }
        _ => portward(pbx, ports, place)?,
    };
    Ok((ports, process))
}

/// Portward in front of the PBX.
pub(crate) fn portward(
    pbx: Ports,
    Ports { plain, tls }: Ports,
    place: Setup<'_>,
) -> Result<Process, Failure> {
    let folder = place.folder.join("sip-portward");
    let shared = place.folder.display();
    fs::create_dir_all(&folder)?;
    let rules = format!(
        "[[host]]\nname = \"{HOST}\"\nsip = {{ target = \"127.0.0.1\", tcp = {}, tls = {}, check_certificate = false }}\n",
        pbx.plain, pbx.tls
    );
    write(&folder, "rules.toml", &rules)?;
    let text = format!(
        "rules = \"rules.toml\"\nstate = \"state\"\n\
                 [listen]\nsip = \"127.0.0.1:{plain}\"\nsips = \"127.0.0.1:{tls}\"\n\
                 [tls]\ncertificates = [{{ cert = \"{shared}/all.crt\", key = \"{shared}/all.key\" }}]\n\
                 min_version = \"1.3\"\n[upstream]\nverify = \"none\"\n\
                 [limits]\ndrain_timeout = \"1s\"\nmax_connections_per_address = 40000\n\
                 [blacklist]\nallow = [\"127.0.0.0/8\"]\n[log]\nrejected = []\n"
    );
    place.portward(&folder, &text, &[plain, tls])
}

/// The folder of Kamailio's modules in Debian. The wanted module must be there.
pub(crate) fn modules(wanted: &str) -> Result<String, Failure> {
    let mut folders = fs::read_dir("/usr/lib")?.flatten().map(|entry| entry.path().join("kamailio/modules"));
    let found = folders.find(|folder| folder.join(format!("{wanted}.so")).exists());
    let found = found
        .ok_or_else(|| format!("kamailio-{wanted}-modules is not installed; scripts/compare installs it"))?;
    Ok(found.to_string_lossy().into_owned())
}

/// A registrar.
pub(crate) fn registrar() -> Visit {
    Arc::new(|stream| Box::pin(visit(stream)))
}

async fn visit(mut stream: Connection) -> io::Result<()> {
    let mut octets = Vec::new();
    loop {
        while let Inspect::Found { ask, len } = Inspector::of_client().inspect(&octets) {
            if let Ask::Message(message) = ask {
                let mut answer = Vec::new();
                respond("200 OK", &octets[..len], &message, "pbx", "", &mut answer);
                stream.write_all(&answer).await?;
                stream.flush().await?;
            }
            octets.drain(..len);
        }
        if stream.read_buf(&mut octets).await? == 0 {
            return Ok(());
        }
    }
}

/// A connection on which a phone has registered.
async fn register(port: u16, way: &Way, number: usize) -> Result<Connection, Failure> {
    within(async {
        let (mut stream, _) = open(port, way).await?;
        register_on(&mut stream, number, 1).await?;
        Ok(stream)
    })
    .await
}

/// Bounds the time of a registration.
pub(crate) async fn within<T>(registered: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(Duration::from_secs(20), registered).await.map_err(|_| "no answer to a REGISTER")?
}

/// Registers the user with this number. It is the `count`th registration.
pub(crate) async fn register_on(stream: &mut Connection, number: usize, count: usize) -> Result<(), Failure> {
    let request = format!(
        "REGISTER sip:{HOST} SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK{number}-{count};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:user{number}@{HOST}>;tag={number}\r\nTo: <sip:user{number}@{HOST}>\r\n\
             Call-ID: {number}@192.0.2.1\r\nCSeq: {count} REGISTER\r\nContact: <sip:user{number}@192.0.2.1;transport=tls>\r\n\
             Expires: 600\r\nUser-Agent: phone 1.0\r\nContent-Length: 0\r\n\r\n"
    );
    ask(stream, &request, b"SIP/2.0 200 ").await
}

/// Sends a request and reads the head of its answer, which must begin with `wanted`.
pub(crate) async fn ask(stream: &mut Connection, request: &str, wanted: &[u8]) -> Result<(), Failure> {
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::with_capacity(1024);
    while !answer.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err("closed instead of an answer".into());
        }
    }
    if !answer.starts_with(wanted) {
        return Err(format!("another answer: {}", String::from_utf8_lossy(&answer)).into());
    }
    Ok(())
}
