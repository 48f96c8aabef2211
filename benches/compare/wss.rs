//! SIP over WebSocket (RFC 7118) by TLS, in front of a PBX that has only plain TCP: the cost of a registration compared
//! with SIP over TLS, and the memory of an idle connection. Kamailio with its websocket module is shown in nginx's
//! column. HAProxy cannot do this work.

use std::fs;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::Failure;
use crate::load::{Connection, Way, open};
use crate::measure::{Bench, Samples};
use crate::origin::Ports;
use crate::peers::{Kind, Setup};
use crate::process::{Process, write};
use crate::sip::{HOST, ask, modules, register_on, registrar, settled, within};
use crate::stand_in;

/// Registrations in one round: on a connection each, and on one open connection.
const FRESH: usize = 600;
const KEPT: usize = 4_000;
/// The number of measured connections, and of earlier ones. The earlier ones cause memory that does not belong to a
/// single connection. All must be open before the first one would get a ping.
const TUNNELS: usize = 3_000;
const FIRST: usize = 50;
/// The mask of every frame (RFC 6455 §5.3). It is fixed, because no proxy looks at it.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The ports of a proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doors {
    pub(crate) sips: u16,
    pub(crate) wss: u16,
}

/// How a client connects: as a phone or as a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Tls,
    WebSocket,
}

/// The processor time of a registration on a new connection by WebSocket.
pub(crate) fn fresh(bench: &Bench<'_>) -> Result<Samples, Failure> {
    let way = Way::tls(HOST, false)?;
    rounds(bench, |proxy, shorter| Ok(vec![one_each(bench, proxy, &way, By::WebSocket, FRESH / shorter)?]))
}

/// The same as a multiple of a registration by TLS.
pub(crate) fn fresh_of_tls(bench: &Bench<'_>) -> Result<Samples, Failure> {
    let way = Way::tls(HOST, false)?;
    rounds(bench, |proxy, shorter| {
        let cost = |by| one_each(bench, proxy, &way, by, FRESH / shorter);
        Ok(vec![cost(By::WebSocket)? / cost(By::Tls)?])
    })
}

/// The processor time of a registration on an open WebSocket, as a multiple of one by TLS.
pub(crate) fn kept_of_tls(bench: &Bench<'_>) -> Result<Samples, Failure> {
    let way = Way::tls(HOST, false)?;
    rounds(bench, |proxy, shorter| {
        let cost = |by| all_on_one(bench, proxy, &way, by, KEPT / shorter);
        Ok(vec![cost(By::WebSocket)? / cost(By::Tls)?])
    })
}

/// The memory of a connection on which a browser has registered and is now idle.
pub(crate) fn idle(bench: &Bench<'_>) -> Result<Samples, Failure> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let count = (TUNNELS / bench.shorter).min(usize::try_from(limit / 3)?);
    let way = Way::tls(HOST, false)?;
    let few = Bench { rounds: bench.rounds.min(3), ..*bench };
    few.rounds(|_, kind| {
        let (pbx, _running) = stand_in::start(bench.place.folder, registrar())?;
        let Some((doors, process)) = start(kind, pbx, bench.place)? else { return Ok(vec![f64::NAN]) };
        let hold = async |from: usize, count: usize| {
            let mut held = Vec::new();
            for number in from..from + count {
                held.push(within(registered(doors, &way, By::WebSocket, number)).await?);
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

/// Measures each proxy that can do the work, after a warm-up.
fn rounds(
    bench: &Bench<'_>,
    measure: impl Fn(&(Doors, Process), usize) -> Result<Vec<f64>, Failure>,
) -> Result<Samples, Failure> {
    let (pbx, _running) = stand_in::start(bench.place.folder, registrar())?;
    let proxies =
        Kind::ALL.map(|kind| start(kind, pbx, bench.place)).into_iter().collect::<Result<Vec<_>, _>>()?;
    for proxy in proxies.iter().flatten() {
        measure(proxy, 20)?;
    }
    bench.rounds(|at, _| {
        proxies[at].as_ref().map_or(Ok(vec![f64::NAN]), |proxy| measure(proxy, bench.shorter))
    })
}

/// The processor time of a registration, if each has a new connection.
fn one_each(
    bench: &Bench<'_>,
    (doors, process): &(Doors, Process),
    way: &Way,
    by: By,
    count: usize,
) -> Result<f64, Failure> {
    let before = process.processor_time()?;
    bench.runtime.block_on(async {
        for number in 0..count {
            within(registered(*doors, way, by, number)).await?;
        }
        Ok::<_, Failure>(())
    })?;
    std::thread::sleep(Duration::from_millis(50));
    Ok(process.processor_time()?.saturating_sub(before).as_secs_f64() / count as f64)
}

/// The processor time of a registration, if all use one connection.
fn all_on_one(
    bench: &Bench<'_>,
    (doors, process): &(Doors, Process),
    way: &Way,
    by: By,
    count: usize,
) -> Result<f64, Failure> {
    let used = bench.runtime.block_on(async {
        let mut stream = within(registered(*doors, way, by, 1)).await?;
        let before = process.processor_time()?;
        for number in 0..count {
            within(register(&mut stream, by, 1, number + 2)).await?;
        }
        Ok::<_, Failure>(process.processor_time()?.saturating_sub(before))
    })?;
    Ok(used.as_secs_f64() / count as f64)
}

/// A connection on which a client has registered.
async fn registered(doors: Doors, way: &Way, by: By, number: usize) -> Result<Connection, Failure> {
    let port = if by == By::Tls { doors.sips } else { doors.wss };
    let (mut stream, _) = open(port, way).await?;
    shake(&mut stream, by).await?;
    register(&mut stream, by, number, 1).await?;
    Ok(stream)
}

/// Registers the user with this number. It is the `count`th registration.
pub(crate) async fn register(
    stream: &mut Connection,
    by: By,
    number: usize,
    count: usize,
) -> Result<(), Failure> {
    if by == By::Tls {
        return register_on(stream, number, count).await;
    }
    let request = format!(
        "REGISTER sip:{HOST} SIP/2.0\r\nVia: SIP/2.0/WSS b{number}.invalid;branch=z9hG4bK{number}-{count};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:user{number}@{HOST}>;tag={number}\r\nTo: <sip:user{number}@{HOST}>\r\n\
         Call-ID: {number}@b{number}.invalid\r\nCSeq: {count} REGISTER\r\n\
         Contact: <sip:user{number}@b{number}.invalid;transport=ws>\r\n\
         Expires: 600\r\nUser-Agent: browser 1.0\r\nContent-Length: 0\r\n\r\n"
    );
    let length = u16::try_from(request.len())?.to_be_bytes();
    let masked = request.bytes().zip(MASK.into_iter().cycle()).map(|(octet, mask)| octet ^ mask);
    let frame: Vec<u8> = [0x81, 0xfe].into_iter().chain(length).chain(MASK).chain(masked).collect();
    stream.write_all(&frame).await?;
    stream.flush().await?;
    let answer = message(stream).await?;
    if !answer.starts_with(b"SIP/2.0 200 ") {
        return Err(format!("not registered: {}", String::from_utf8_lossy(&answer)).into());
    }
    Ok(())
}

/// Makes the handshake (RFC 6455 §4.1, RFC 7118 §4.1), if there is one.
pub(crate) async fn shake(stream: &mut Connection, by: By) -> Result<(), Failure> {
    if by == By::Tls {
        return Ok(());
    }
    let request = format!(
        "GET /sip HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    ask(stream, &request, b"HTTP/1.1 101 ").await
}

/// Reads the next message: one frame without a mask.
async fn message(stream: &mut Connection) -> Result<Vec<u8>, Failure> {
    let mut octets = Vec::with_capacity(1024);
    loop {
        let (from, length) = match *octets.as_slice() {
            [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
            [_, length @ 0..126, ..] => (2, usize::from(length)),
            _ => (0, usize::MAX),
        };
        if octets.len() - from >= length {
            return match octets[0] {
                0x81 | 0x82 => Ok(octets.split_off(from)),
                other => Err(format!("a frame that begins with {other:#x}").into()),
            };
        }
        if stream.read_buf(&mut octets).await? == 0 {
            return Err("closed instead of a message".into());
        }
    }
}

/// The proxy of a column in front of the PBX. `None`: the column's proxy cannot do this.
fn start(kind: Kind, pbx: Ports, place: Setup<'_>) -> Result<Option<(Doors, Process)>, Failure> {
    let doors = Ports::free()?;
    let doors = Doors { sips: doors.tls, wss: doors.plain };
    Ok(match kind {
        Kind::Haproxy => None,
        Kind::Nginx => Some((doors, kamailio(pbx, doors, place)?)),
        Kind::Portward => Some((doors, portward(pbx, doors, place)?)),
    })
}

fn kamailio(pbx: Ports, Doors { sips, wss }: Doors, place: Setup<'_>) -> Result<Process, Failure> {
    let folder = place.folder.join("wss-kamailio");
    fs::create_dir_all(&folder)?;
    let (shared, run) = (place.folder.display(), folder.to_string_lossy().into_owned());
    let modules = modules("websocket")?;
    let text = format!(
        "debug=0\nlog_stderror=yes\nchildren=1\ntcp_children=1\nenable_tls=yes\nauto_aliases=no\ndns=no\nrev_dns=no\n\
         tcp_max_connections=20000\ntls_max_connections=20000\ntcp_connection_lifetime=7200\ntcp_accept_no_cl=yes\n\
         listen=tls:127.0.0.1:{sips}\nlisten=tls:127.0.0.1:{wss}\nmpath=\"{modules}\"\n\
         loadmodule \"tls.so\"\nloadmodule \"pv.so\"\nloadmodule \"sl.so\"\nloadmodule \"tm.so\"\n\
         loadmodule \"xhttp.so\"\nloadmodule \"websocket.so\"\n\
         modparam(\"tls\", \"private_key\", \"{shared}/all.key\")\n\
         modparam(\"tls\", \"certificate\", \"{shared}/all.crt\")\nmodparam(\"tls\", \"tls_method\", \"TLSv1.2+\")\n\
         request_route {{\n force_rport();\n $du = \"sip:127.0.0.1:{};transport=tcp\";\n forward();\n}}\n\
         event_route[xhttp:request] {{\n ws_handle_handshake();\n}}\n",
        pbx.plain
    );
    let file = write(&folder, "kamailio.cfg", &text)?;
    let command = ["kamailio", "-f", &file, "-DD", "-E", "-m", "1024", "-M", "16", "-Y", &run, "-w", &run];
    Process::start(&command, place.cores, &[sips, wss], folder.join("log"))
}

/// Portward in front of the PBX.
pub(crate) fn portward(pbx: Ports, Doors { sips, wss }: Doors, place: Setup<'_>) -> Result<Process, Failure> {
    let folder = place.folder.join("wss-portward");
    let shared = place.folder.display();
    fs::create_dir_all(&folder)?;
    let rules = format!(
        "[[host]]\nname = \"{HOST}\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/sip\", websocket = \"sip\", origins = [\"none\"] }}]\n\
         sip = {{ tcp = {}, tls = false, check_certificate = false }}\n",
        pbx.plain
    );
    write(&folder, "rules.toml", &rules)?;
    let text = format!(
        "rules = \"rules.toml\"\nstate = \"state\"\n\
         [listen]\nhttps = \"127.0.0.1:{wss}\"\nsips = \"127.0.0.1:{sips}\"\n\
         [tls]\ncertificates = [{{ cert = \"{shared}/all.crt\", key = \"{shared}/all.key\" }}]\nmin_version = \"1.3\"\n\
         [limits]\ndrain_timeout = \"1s\"\nmax_connections_per_address = 40000\n\
         [blacklist]\nallow = [\"127.0.0.0/8\"]\n[log]\nrejected = []\n"
    );
    place.portward(&folder, &text, &[sips, wss])
}
