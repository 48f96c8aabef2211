//! The works whose instructions are counted: the proxy and the target of each, and the client's steps.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portward::demo::ras;
use portward::inspect::Inspect;
use portward::inspect::h323::{Ask, Inspector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::load::{Connection, Expected, Request, Way, ask, over};
use crate::origin::{HOSTS, Ports, SMALL};
use crate::peers::{Kind, Proxy, Rules, Setup, counts};
use crate::process::{Process, write};
use crate::stand_in::Visit;
use crate::steps::Steps;
use crate::wss::{By, Doors};
use crate::{Failure, ldap, sip, wss};

/// The protocol of the clients.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Front {
    Http,
    Sip,
    /// SIP by TLS, in front of a PBX that has only plain TCP.
    Sips,
    /// The same over WebSocket.
    Wss,
    Ldap,
    H323,
}

/// The destination of a row's clients.
pub(crate) struct Site {
    pub(crate) port: u16,
    pub(crate) way: Way,
    pub(crate) steps: Steps,
}

impl Site {
    async fn open(&self) -> Result<Connection, Failure> {
        self.steps.wait()?;
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await?;
        tcp.set_nodelay(true)?;
        Ok(over(self.steps.stream(tcp), &self.way).await?.0)
    }

    /// Closes in an orderly way. It returns after the proxy has done its part.
    async fn close(&self, mut stream: Connection) -> Result<(), Failure> {
        let _ = stream.shutdown().await;
        self.steps.settle().await?;
        drop(stream);
        self.steps.settle().await
    }
}

impl Front {
    pub(crate) fn target(self) -> Result<Visit, Failure> {
        Ok(match self {
            Self::Http => Arc::new(|stream| Box::pin(answer(stream))),
            Self::Sip | Self::Sips | Self::Wss => sip::registrar(),
            Self::Ldap => ldap::directory(ldap::result(3)?.into()),
            Self::H323 => Arc::new(|stream| Box::pin(confirm(stream))),
        })
    }

    /// Starts the proxy in front of `target`. The file with its instructions is in the place's folder.
    pub(crate) fn start(self, target: Ports, place: Setup<'_>) -> Result<(Ports, Process, PathBuf), Failure> {
        if let Self::Http = self {
            let Proxy { ports, process, .. } =
                Proxy::start(Kind::Portward, "two", Rules::Two([target; 2]), place)?;
            return Ok((ports, process, counts(Path::new("two-Portward"))));
        }
        let ports = Ports::free()?;
        let (process, folder) = match self {
            Self::Sip => (sip::portward(target, ports, place)?, "sip-portward"),
            Self::Ldap => (ldap::portward(target, ports, place)?, "ldap-Portward"),
            Self::Sips | Self::Wss => {
                let doors = Doors { sips: ports.tls, wss: ports.plain };
                let port = if let Self::Wss = self { doors.wss } else { doors.sips };
                let process = wss::portward(target, doors, place)?;
                return Ok((Ports { plain: port, tls: port }, process, counts(Path::new("wss-portward"))));
            }
            Self::Http | Self::H323 => (h323(target, ports, place)?, "h323"),
        };
        Ok((ports, process, counts(Path::new(folder))))
    }
}

/// Portward in front of a gatekeeper.
fn h323(target: Ports, Ports { plain, tls }: Ports, place: Setup<'_>) -> Result<Process, Failure> {
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

pub(crate) async fn kept(site: &Site, count: usize) -> Result<(), Failure> {
    let (mut stream, request, mut buffer) = (site.open().await?, small(), Vec::new());
    for _ in 0..count {
        ask(&mut *stream, &request, &mut buffer).await?;
    }
    site.close(stream).await
}

pub(crate) async fn fresh(site: &Site, count: usize) -> Result<(), Failure> {
    let (request, mut buffer) = (small(), Vec::new());
    for _ in 0..count {
        let mut stream = site.open().await?;
        ask(&mut *stream, &request, &mut buffer).await?;
        site.close(stream).await?;
    }
    Ok(())
}

pub(crate) async fn silent(site: &Site, count: usize) -> Result<(), Failure> {
    for _ in 0..count {
        let stream = site.open().await?;
        site.close(stream).await?;
    }
    Ok(())
}

pub(crate) async fn sip_kept(site: &Site, count: usize) -> Result<(), Failure> {
    let mut stream = site.open().await?;
    for number in 0..count {
        sip::register_on(&mut stream, 1, number + 1).await?;
    }
    site.close(stream).await
}

pub(crate) async fn wss_kept(site: &Site, count: usize, by: By) -> Result<(), Failure> {
    let mut stream = site.open().await?;
    wss::shake(&mut stream, by).await?;
    for number in 0..count {
        wss::register(&mut stream, by, 1, number + 1).await?;
    }
    site.close(stream).await
}

pub(crate) async fn wss_new(site: &Site, count: usize, by: By) -> Result<(), Failure> {
    for number in 0..count {
        let mut stream = site.open().await?;
        wss::shake(&mut stream, by).await?;
        wss::register(&mut stream, by, number, 1).await?;
        site.close(stream).await?;
    }
    Ok(())
}

pub(crate) async fn sip_ping(site: &Site, count: usize) -> Result<(), Failure> {
    let mut stream = site.open().await?;
    sip::register_on(&mut stream, 1, 1).await?;
    for _ in 0..count {
        // RFC 5626 §3.5.1: two line ends, which are answered by one.
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

pub(crate) async fn sip_new(site: &Site, count: usize) -> Result<(), Failure> {
    for number in 0..count {
        let mut stream = site.open().await?;
        sip::register_on(&mut stream, number, 1).await?;
        site.close(stream).await?;
    }
    Ok(())
}

pub(crate) async fn ldap_new(site: &Site, count: usize) -> Result<(), Failure> {
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

pub(crate) async fn h323_new(site: &Site, count: usize) -> Result<(), Failure> {
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
