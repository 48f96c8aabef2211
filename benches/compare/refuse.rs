//! The cost of refusing a connection of a listed address: Portward's blacklist compared with HAProxy's stick table.
//! nginx has no such list: its `deny` reads the request first.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::Failure;
use crate::measure::{Bench, Samples};
use crate::nginx::Nginx;
use crate::origin::Ports;
use crate::peers::{Kind, Setup};
use crate::process::{Process, write};

/// The listed address of the clients.
const LISTED: &str = "127.0.9.9";
/// How many other addresses are listed.
const OTHERS: u32 = 10_000;
/// Connections in one round.
const CONNECTIONS: usize = 5_000;

/// The processor time of a refused connection.
pub(crate) fn listed(bench: &Bench<'_>) -> Result<Samples, Failure> {
    let proxies: Vec<_> = Kind::ALL.iter().map(|kind| start(*kind, bench.place)).collect::<Result<_, _>>()?;
    let count = (CONNECTIONS / bench.shorter).max(100);
    let run = |at: usize, count: usize| {
        let (port, process) = &proxies[at];
        let before = process.processor_time()?;
        bench.runtime.block_on(async {
            for _ in 0..count {
                knock(*port).await?;
            }
            Ok::<_, Failure>(())
        })?;
        std::thread::sleep(Duration::from_millis(50));
        let used = process.processor_time()?.saturating_sub(before);
        Ok(vec![used.as_secs_f64() / count as f64])
    };
    for at in 0..proxies.len() {
        run(at, 100)?;
    }
    bench.rounds(|at, _| run(at, count))
}

/// One connection, which must be refused.
async fn knock(port: u16) -> Result<(), Failure> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(LISTED.parse()?, 0))?;
    let mut stream = match socket.connect(([127, 0, 0, 1], port).into()).await {
        Ok(stream) => stream,
        // The refusal came even before the connection was complete.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: pbx-a.example.net\r\nConnection: close\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    match answer.starts_with(b"HTTP/1.1 2") {
        true => Err("a listed address was served".into()),
        false => Ok(()),
    }
}

fn start(kind: Kind, place: Setup<'_>) -> Result<(u16, Process), Failure> {
    let port = Ports::free()?.plain;
    let folder = place.folder.join(format!("refuse-{}", kind.name()));
    fs::create_dir_all(&folder)?;
    let log = folder.join("log");
    let here = folder.display();
    let other = |number: u32| std::net::Ipv4Addr::from_bits(0x0a00_0000 + number);
    let process = match kind {
        Kind::Haproxy => {
            let text = format!(
                "global\n nbthread 1\n stats socket {here}/socket level admin\n\
                 defaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\n\
                 frontend f\n bind 127.0.0.1:{port}\n stick-table type ip size 1m expire 1h store gpc0\n\
                 \x20tcp-request connection reject if {{ src,table_gpc0(f) gt 0 }}\n default_backend b\n\
                 backend b\n server s 127.0.0.1:9\n"
            );
            let file = write(&folder, "haproxy.cfg", &text)?;
            let process =
                Process::start(&[&place.peers.haproxy, "-db", "-f", &file], place.cores, &[port], log)?;
            let addresses = (0..OTHERS).map(|number| other(number).to_string()).chain([LISTED.to_owned()]);
            for address in addresses {
                let mut socket = std::os::unix::net::UnixStream::connect(folder.join("socket"))?;
                std::io::Write::write_all(
                    &mut socket,
                    format!("set table f key {address} data.gpc0 1\n").as_bytes(),
                )?;
                std::io::Read::read_to_end(&mut socket, &mut Vec::new())?;
            }
            process
        }
        Kind::Nginx => {
            let denied: String = (0..OTHERS).map(|number| format!("deny {};\n", other(number))).collect();
            let nginx = Nginx { program: &place.peers.nginx, folder: &folder, name: "nginx" };
            let text = format!(
                "{}{}server {{ listen 127.0.0.1:{port}; deny {LISTED};\n{denied} location / {{ empty_gif; }} }} }}\n",
                nginx.head(1),
                nginx.http(place.folder)
            );
            nginx.start(&text, place.cores, &[port])?
        }
        Kind::Portward => {
            let entry = |address: &str| {
                format!(
                    "{{\"address\":\"{address}\",\"since\":1,\"until\":null,\"manual\":false,\"reason\":\"unknown-host\",\"count\":21}}\n"
                )
            };
            let entries: String =
                (0..OTHERS).map(|number| entry(&other(number).to_string())).chain([entry(LISTED)]).collect();
            fs::create_dir_all(folder.join("state"))?;
            write(&folder.join("state"), "blacklist.jsonl", &entries)?;
            write(&folder, "rules.toml", "")?;
            let text = format!(
                "rules = \"rules.toml\"\nstate = \"state\"\n[listen]\nhttp = \"127.0.0.1:{port}\"\n\
                 [limits]\nnew_connections_per_second = 0\n[admin]\nsocket = \"socket\"\n"
            );
            place.portward(&folder, &text, &[port])?
        }
    };
    Ok((port, process))
}
