//! A long search result over LDAP and LDAPS, compared with HAProxy in its `mode tcp`, and with nginx's stream module if
//! there is one. Both move octets and know one target only. Portward reads the type and length of every message.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapBindResponse, LdapMsg, LdapOp, LdapPartialAttribute, LdapResult,
    LdapResultCode, LdapSearchResultEntry,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder as _, Encoder as _};

use crate::Failure;
use crate::load::{Connection, Way, open};
use crate::measure::{Bench, Samples};
use crate::nginx::{self, Nginx};
use crate::origin::{LARGE, Ports};
use crate::peers::{Kind, Setup};
use crate::process::{Process, write};
use crate::stand_in::{self, Visit};

/// The host in the name of the bind.
const HOST: &str = "pbx-a.example.net";
/// Searches at a time, each on a connection of its own, and searches a round.
const CONNECTIONS: usize = 2;
const SEARCHES: usize = 125;
/// The size of an entry of a telephone book, in octets.
const ENTRY: usize = 200;

/// The processor time for a GB.
pub(crate) fn bulk(bench: &Bench<'_>, tls: bool) -> Result<Samples, Failure> {
    let result: Arc<[u8]> = result(usize::try_from(LARGE)? / ENTRY)?.into();
    let (directory, _running) = stand_in::start(bench.place.folder, directory(Arc::clone(&result)))?;
    let searches = (SEARCHES / bench.shorter).max(CONNECTIONS);
    let way = if tls { Way::tls(HOST, false)? } else { Way::Plain };
    let proxies = Kind::ALL.map(|kind| start(kind, directory, bench.place));
    let proxies = proxies.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut connections: Vec<Vec<Connection>> = Vec::new();
    for proxy in &proxies {
        let port = proxy.as_ref().map(|(ports, _)| if tls { ports.tls } else { ports.plain });
        let bound = async {
            let mut bound = Vec::new();
            for _ in 0..if port.is_some() { CONNECTIONS } else { 0 } {
                bound.push(bind(port.unwrap_or_default(), &way).await?);
            }
            Ok::<_, Failure>(bound)
        };
        connections.push(bench.runtime.block_on(bound)?);
    }
    let mut run = |at: usize, total: usize| {
        let Some((_, process)) = &proxies[at] else { return Ok(vec![f64::NAN]) };
        let before = process.processor_time()?;
        let done = bench.runtime.block_on(search(&mut connections[at], total, result.len()))?;
        let used = process.processor_time()?.saturating_sub(before);
        Ok(vec![used.as_secs_f64() * 1e9 / (done * result.len()) as f64])
    };
    for at in 0..proxies.len() {
        run(at, CONNECTIONS)?;
    }
    bench.rounds(|at, _| run(at, searches))
}

/// A proxy in front of the directory. `None`: this nginx has no stream module.
fn start(kind: Kind, directory: Ports, place: Setup<'_>) -> Result<Option<(Ports, Process)>, Failure> {
    let ports = Ports::free()?;
    let folder = place.folder.join(format!("ldap-{}", kind.name()));
    fs::create_dir_all(&folder)?;
    let listening = [ports.plain, ports.tls];
    let process = match kind {
        Kind::Haproxy => {
            let file = write(&folder, "haproxy.cfg", &haproxy(directory, ports, place.folder))?;
            let command = [&place.peers.haproxy, "-db", "-f", &file];
            Process::start(&command, place.cores, &listening, folder.join("log"))?
        }
        Kind::Nginx => {
            let Some(module) = &place.peers.stream else { return Ok(None) };
            let nginx = Nginx { program: &place.peers.nginx, folder: &folder, name: "nginx" };
            let head = format!("load_module {};\n{}", module.display(), nginx.head(1));
            let text = head + &nginx_stream(directory, ports, place.folder);
            nginx.start(&text, place.cores, &listening)?
        }
        Kind::Portward => portward(directory, ports, place)?,
    };
    Ok(Some((ports, process)))
}

fn haproxy(directory: Ports, Ports { plain, tls }: Ports, shared: &Path) -> String {
    format!(
        "global\n nbthread 1\n ssl-server-verify none\n\
         \x20ssl-default-bind-options ssl-min-ver TLSv1.3\n ssl-default-server-options ssl-min-ver TLSv1.3\n\
         \x20ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256\n\
         defaults\n mode tcp\n timeout connect 5s\n timeout client 300s\n timeout server 300s\n\
         listen plain\n bind 127.0.0.1:{plain}\n server s 127.0.0.1:{}\n\
         listen tls\n bind 127.0.0.1:{tls} ssl crt {}/all.pem\n\
         \x20server s 127.0.0.1:{} ssl verify none sni str({HOST})\n",
        directory.plain,
        shared.display(),
        directory.tls
    )
}

fn nginx_stream(directory: Ports, Ports { plain, tls }: Ports, shared: &Path) -> String {
    format!(
        "stream {{\n{}proxy_ssl_protocols TLSv1.3;\nproxy_ssl_server_name on;\nproxy_ssl_name {HOST};\n\
         server {{ listen 127.0.0.1:{plain}; proxy_pass 127.0.0.1:{}; }}\n\
         server {{ listen 127.0.0.1:{tls} ssl; proxy_ssl on; proxy_pass 127.0.0.1:{}; }}\n}}\n",
        nginx::tls(shared),
        directory.plain,
        directory.tls
    )
}

/// Portward in front of the directory.
pub(crate) fn portward(
    directory: Ports,
    Ports { plain, tls }: Ports,
    place: Setup<'_>,
) -> Result<Process, Failure> {
    let folder = place.folder.join("ldap-Portward");
    let shared = place.folder.display();
    fs::create_dir_all(&folder)?;
    let rules = format!(
        "[[host]]\nname = \"{HOST}\"\ntarget = \"127.0.0.1\"\nldap = {{ tcp = {}, tls = {} }}\n",
        directory.plain, directory.tls
    );
    write(&folder, "rules.toml", &rules)?;
    let text = format!(
        "rules = \"rules.toml\"\nstate = \"state\"\n\
             [listen]\nldap = \"127.0.0.1:{plain}\"\nldaps = \"127.0.0.1:{tls}\"\n\
             [tls]\ncertificates = [{{ cert = \"{shared}/all.crt\", key = \"{shared}/all.key\" }}]\n\
             min_version = \"1.3\"\n[upstream]\nverify = \"none\"\n[limits]\ndrain_timeout = \"1s\"\n\
             [blacklist]\nallow = [\"127.0.0.0/8\"]\n[log]\nrejected = []\n"
    );
    place.portward(&folder, &text, &[plain, tls])
}

/// A directory: every search finds `result`.
pub(crate) fn directory(result: Arc<[u8]>) -> Visit {
    Arc::new(move |stream| {
        let result = Arc::clone(&result);
        Box::pin(async move { visit(stream, &result).await })
    })
}

async fn visit(mut stream: Connection, result: &[u8]) -> io::Result<()> {
    let mut octets = BytesMut::new();
    loop {
        while let Some(message) = LdapCodec::default().decode(&mut octets)? {
            match message.op {
                LdapOp::BindRequest(_) => {
                    let response = LdapBindResponse { res: success(), saslcreds: None };
                    stream.write_all(&encode(message.msgid, LdapOp::BindResponse(response))?).await?;
                }
                _ => stream.write_all(result).await?,
            }
            stream.flush().await?;
        }
        if stream.read_buf(&mut octets).await? == 0 {
            return Ok(());
        }
    }
}

/// A result with that many entries.
pub(crate) fn result(count: usize) -> Result<Vec<u8>, Failure> {
    let mut octets = Vec::new();
    for number in 0..count {
        let attribute = |kind: &str, value: String| LdapPartialAttribute {
            atype: kind.to_owned(),
            vals: vec![value.into_bytes()],
        };
        let attributes = vec![
            attribute("cn", format!("Person Number {number}")),
            attribute("telephoneNumber", format!("+49 7031 73009 {number}")),
            attribute("mail", format!("person.{number}@example.net")),
        ];
        let dn = format!("uid=person{number},ou=people,dc=example,dc=net");
        octets.extend(encode(2, LdapOp::SearchResultEntry(LdapSearchResultEntry { dn, attributes }))?);
    }
    octets.extend(encode(2, LdapOp::SearchResultDone(success()))?);
    Ok(octets)
}

fn success() -> LdapResult {
    let code = LdapResultCode::Success;
    LdapResult { code, matcheddn: String::new(), message: String::new(), referral: Vec::new() }
}

fn encode(id: i32, op: LdapOp) -> io::Result<BytesMut> {
    let mut octets = BytesMut::new();
    LdapCodec::default().encode(LdapMsg::new(id, op), &mut octets)?;
    Ok(octets)
}

/// A connection on which a bind has succeeded.
async fn bind(port: u16, way: &Way) -> Result<Connection, Failure> {
    let (mut stream, _) = open(port, way).await?;
    bind_on(&mut stream).await?;
    Ok(stream)
}

/// Makes a bind on a connection.
pub(crate) async fn bind_on(stream: &mut Connection) -> Result<(), Failure> {
    let cred = LdapBindCred::Simple("password".to_owned());
    let request = LdapBindRequest { version: 3, dn: format!("user@{HOST}"), cred };
    stream.write_all(&encode(1, LdapOp::BindRequest(request))?).await?;
    stream.flush().await?;
    let mut octets = BytesMut::new();
    loop {
        match LdapCodec::default().decode(&mut octets)? {
            Some(LdapMsg { op: LdapOp::BindResponse(response), .. })
                if response.res.code == LdapResultCode::Success =>
            {
                return Ok(());
            }
            Some(other) => return Err(format!("{other:?} instead of success").into()),
            None if stream.read_buf(&mut octets).await? == 0 => return Err("the bind was refused".into()),
            None => {}
        }
    }
}

/// Makes that many searches in all, and reads their results to the end. Returns how many were made.
pub(crate) async fn search(
    connections: &mut [Connection],
    total: usize,
    expected: usize,
) -> Result<usize, Failure> {
    // Any operation will do, because the directory gives all of them the same answer.
    let request = encode(2, LdapOp::DelRequest("cn=all".to_owned()))?;
    let each = total / connections.len();
    let searches = connections.iter_mut().map(async |stream| {
        let mut room = vec![0; 256 * 1024];
        for _ in 0..each {
            stream.write_all(&request).await?;
            stream.flush().await?;
            let mut seen = 0;
            while seen < expected {
                match stream.read(&mut room).await? {
                    0 => return Err("the result ended early".into()),
                    count => seen += count,
                }
            }
            if seen != expected {
                return Err(format!("{seen} octets instead of {expected}").into());
            }
        }
        Ok::<_, Failure>(())
    });
    let all = futures_util::future::try_join_all(searches);
    tokio::time::timeout(std::time::Duration::from_secs(120), all)
        .await
        .map_err(|_| "the searches took too long")??;
    Ok(each * connections.len())
}
