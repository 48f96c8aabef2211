//! The proxies. All do the same work: pooled target connections, forwarded fields, rules with a host and a path, TLS
//! 1.3 on both sides without verification of the target, the same certificate, no access log.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Failure;
use crate::callgrind;
use crate::nginx::Nginx;
use crate::origin::{HOSTS, Ports, RULE};
use crate::process::{Process, write};
use crate::programs::Programs;

/// The kinds of proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Haproxy,
    Nginx,
    Portward,
}

impl Kind {
    /// All kinds. Portward is last, as in the table.
    pub(crate) const ALL: [Self; 3] = [Self::Haproxy, Self::Nginx, Self::Portward];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Portward => "Portward",
        }
    }
}

/// The rules of a proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rules {
    /// The two hosts, each with its own target.
    Two([Ports; 2]),
    /// That many customers' hosts ([`customer`]), all with one existing target, so that its connections are shared.
    OneTarget(u32, Ports),
    /// That many customers' hosts, each with its own target, which does not exist. Portward's hosts also have a preset.
    OwnTargets(u32),
    /// The same, but each of Portward's hosts and targets belongs to a tenant of its own. The peers have no tenants.
    OwnTenants(u32),
}

impl Rules {
    /// The same for a program without tenants.
    fn without_tenants(self) -> Self {
        match self {
            Self::OwnTenants(count) => Self::OwnTargets(count),
            other => other,
        }
    }
}

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) kind: Kind,
    pub(crate) ports: Ports,
    pub(crate) process: Process,
}

/// The folder, the cores and the programs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// A folder with `all.crt`, `all.key` and `all.pem`.
    pub(crate) folder: &'a Path,
    /// The proxy's cores.
    pub(crate) cores: Option<&'a str>,
    /// How many of the peers' threads or processes work. Portward starts one for each of its cores.
    pub(crate) workers: u32,
    /// The program to measure.
    pub(crate) portward: &'a str,
    pub(crate) peers: &'a Programs,
    /// Count its instructions with callgrind.
    pub(crate) counted: bool,
}

impl Setup<'_> {
    /// Starts Portward with the configuration in `folder`.
    pub(crate) fn portward(&self, folder: &Path, text: &str, ports: &[u16]) -> Result<Process, Failure> {
        let file = write(folder, "portward.toml", text)?;
        // At its start callgrind tests whether it can write.
        fs::create_dir_all(folder.join("state"))?;
        let valgrind = if self.counted { callgrind::command(&counts(folder)) } else { Vec::new() };
        let program = [self.portward, "run", "--config", &file];
        let command: Vec<&str> = valgrind.iter().map(String::as_str).chain(program).collect();
        Process::start(&command, self.cores, ports, folder.join("log"))
    }
}

/// The file for callgrind's counts. It is in the only folder that Portward can write to after it has confined itself.
pub(crate) fn counts(folder: &Path) -> std::path::PathBuf {
    folder.join("state/instructions")
}

/// The name of a customer's host.
pub(crate) fn customer(number: u32) -> String {
    format!("pbx-{number:06}.customers.example.net")
}

impl Proxy {
    /// Starts a proxy. `name` tells its files from those of others.
    pub(crate) fn start(kind: Kind, name: &str, rules: Rules, place: Setup<'_>) -> Result<Self, Failure> {
        let ports = Ports::free()?;
        let folder = place.folder.join(format!("{name}-{}", kind.name()));
        fs::create_dir_all(&folder)?;
        let listening = [ports.plain, ports.tls];
        let process = match kind {
            Kind::Haproxy => {
                let text = haproxy(&folder, place, ports, rules.without_tenants())?;
                let file = write(&folder, "haproxy.cfg", &text)?;
                let command = [&place.peers.haproxy, "-db", "-f", &file];
                Process::start(&command, place.cores, &listening, folder.join("log"))?
            }
            Kind::Nginx => {
                let nginx = Nginx { program: &place.peers.nginx, folder: &folder, name: "nginx" };
                let head = nginx.head(place.workers) + &nginx.http(place.folder);
                let text = head + &nginx_rules(ports, rules.without_tenants());
                nginx.start(&text, place.cores, &listening)?
            }
            Kind::Portward => {
                write(&folder, "rules.toml", &portward_rules(rules)?)?;
                place.portward(&folder, &portward(place.folder, ports), &listening)?
            }
        };
        Ok(Self { kind, ports, process })
    }
}

/// HAProxy: use_backend rules for two hosts. For many a map file, with `set-dst` if each has its own target.
fn haproxy(folder: &Path, place: Setup<'_>, ports: Ports, rules: Rules) -> Result<String, Failure> {
    let Ports { plain, tls } = ports;
    let certificate = place.folder.join("all.pem");
    let certificate = certificate.display();
    let mut text = format!(
        "global\n nbthread {}\n maxconn {}\n ssl-server-verify none\n\
         \x20ssl-default-bind-options ssl-min-ver TLSv1.3\n ssl-default-server-options ssl-min-ver TLSv1.3\n\
         \x20ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256\n\
         defaults\n mode http\n timeout connect 5s\n timeout client 300s\n timeout server 600s\n\
         \x20timeout http-request 10s\n timeout http-keep-alive 300s\n option forwardfor\n http-reuse always\n",
        place.workers,
        haproxy_connections()
    );
    let fronts = [
        ("plain", "http", format!("127.0.0.1:{plain}")),
        ("tls", "https", format!("127.0.0.1:{tls} ssl crt {certificate} alpn http/1.1")),
    ];
    for (way, scheme, bind) in fronts {
        let _ = write!(
            text,
            "frontend {way}\n bind {bind} backlog 4096\n http-request set-header X-Forwarded-Proto {scheme}\n"
        );
        match rules {
            Rules::Two(_) => {
                for (host, number) in HOSTS.iter().zip(0..) {
                    let _ = writeln!(
                        text,
                        " use_backend {way}_{number} if {{ hdr(host) -i {host} }} {{ path_beg {RULE} }}"
                    );
                }
            }
            Rules::OneTarget(..) | Rules::OwnTargets(_) | Rules::OwnTenants(_) => {
                let map = folder.join("hosts.map");
                let map = map.display();
                let (found, wanted) = match rules {
                    Rules::OneTarget(..) => ("map_str", format!("use_backend {way}_%[var(txn.t)]")),
                    _ => ("map_str_ip", "http-request set-dst var(txn.t)".to_owned()),
                };
                let _ = write!(
                    text,
                    " http-request set-var(txn.t) hdr(host),lower,{found}({map})\n\
                     \x20http-request deny unless {{ var(txn.t) -m found }} {{ path_beg {RULE} }}\n {wanted}\n"
                );
                if matches!(rules, Rules::OwnTargets(_)) {
                    let _ = writeln!(text, " default_backend {way}_0");
                }
            }
        }
    }
    let targets: Vec<String> = match rules {
        Rules::Two(targets) => targets.iter().zip(HOSTS).map(|(ports, host)| servers(*ports, host)).collect(),
        Rules::OneTarget(_, ports) => vec![servers(ports, HOSTS[0])],
        Rules::OwnTargets(_) | Rules::OwnTenants(_) => {
            vec!["0.0.0.0:80\n0.0.0.0:443 ssl verify none".to_owned()]
        }
    };
    for (target, number) in targets.iter().zip(0..) {
        for (server, way) in target.lines().zip(["plain", "tls"]) {
            let _ = write!(text, "backend {way}_{number}\n server s {server}\n");
        }
    }
    let map = match rules {
        Rules::Two(_) => String::new(),
        Rules::OneTarget(count, _) => (0..count).map(|n| format!("{} 0\n", customer(n))).collect(),
        Rules::OwnTargets(count) | Rules::OwnTenants(count) => {
            (0..count).map(|n| format!("{} {}\n", customer(n), own(n))).collect()
        }
    };
    write(folder, "hosts.map", &map)?;
    Ok(text)
}

fn servers(Ports { plain, tls }: Ports, host: &str) -> String {
    format!("127.0.0.1:{plain}\n127.0.0.1:{tls} ssl verify none sni str({host})")
}

/// Two descriptors for a connection, and some for HAProxy itself.
fn haproxy_connections() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(65_536);
    (limit.saturating_sub(200) / 2).clamp(100, 8000)
}

/// nginx: a server block for each of two hosts, a map for many.
fn nginx_rules(ports: Ports, rules: Rules) -> String {
    let mut text = String::from(
        "proxy_http_version 1.1;\nproxy_set_header Host $http_host;\nproxy_set_header Connection \"\";\n\
         proxy_set_header X-Forwarded-For $remote_addr;\nproxy_set_header X-Forwarded-Proto $scheme;\n\
         proxy_max_temp_file_size 0;\nproxy_ssl_protocols TLSv1.3;\nproxy_ssl_server_name on;\n",
    );
    let upstream = |name: &str, port: u16| {
        format!(
            "upstream {name} {{ server 127.0.0.1:{port}; keepalive 64; keepalive_requests 1000000000;\n\
             keepalive_time 24h; }}\n"
        )
    };
    let Ports { plain, tls } = ports;
    let listen = |default: &str| {
        format!(
            "listen 127.0.0.1:{plain} {default} backlog=4096; listen 127.0.0.1:{tls} ssl {default} backlog=4096;\n"
        )
    };
    match rules {
        Rules::Two(targets) => {
            let _ = writeln!(text, "server {{ {} return 444; }}", listen("default_server"));
            for ((target, host), number) in targets.iter().zip(HOSTS).zip(0..) {
                let ways =
                    [("plain", "http", plain, "", target.plain), ("tls", "https", tls, "ssl", target.tls)];
                for (way, scheme, port, ssl, to) in ways {
                    text.push_str(&upstream(&format!("{way}_{number}"), to));
                    let _ = write!(
                        text,
                        "server {{ listen 127.0.0.1:{port} {ssl}; server_name {host}; proxy_ssl_name {host};\n\
                         location / {{ return 404; }}\n\
                         location {RULE} {{ proxy_pass {scheme}://{way}_{number}; }} }}\n"
                    );
                }
            }
        }
        Rules::OneTarget(count, target) => {
            text.push_str(&upstream("plain_0", target.plain));
            let hosts = (0..count).map(|n| format!("{} plain_0;\n", customer(n)));
            nginx_map(&mut text, hosts);
        }
        Rules::OwnTargets(count) | Rules::OwnTenants(count) => {
            let hosts = (0..count).map(|n| format!("{} {};\n", customer(n), own(n)));
            nginx_map(&mut text, hosts);
        }
    }
    if !matches!(rules, Rules::Two(_)) {
        let _ = write!(
            text,
            "server {{ {} server_name _; location / {{ return 404; }}\n\
             location {RULE} {{ if ($target = \"\") {{ return 444; }} proxy_pass $scheme://$target; }} }}\n",
            listen("default_server")
        );
    }
    text.push_str("}\n");
    text
}

fn nginx_map(text: &mut String, hosts: impl Iterator<Item = String>) {
    text.push_str(
        "map_hash_max_size 262144;\nmap_hash_bucket_size 128;\nmap $host $target {\ndefault \"\";\n",
    );
    text.extend(hosts);
    text.push_str("}\n");
}

fn portward(shared: &Path, Ports { plain, tls }: Ports) -> String {
    let shared = shared.display();
    format!(
        "rules = \"rules.toml\"\nstate = \"state\"\n\
         [listen]\nhttp = \"127.0.0.1:{plain}\"\nhttps = \"127.0.0.1:{tls}\"\n\
         [tls]\ncertificates = [{{ cert = \"{shared}/all.crt\", key = \"{shared}/all.key\" }}]\nmin_version = \"1.3\"\n\
         [upstream]\nverify = \"none\"\n\
         [limits]\nidle_timeout = {{ http = \"300s\" }}\ndrain_timeout = \"1s\"\n\
         [blacklist]\nallow = [\"127.0.0.0/8\"]\n\
         [log]\nrejected = []\n"
    )
}

fn portward_rules(rules: Rules) -> Result<String, Failure> {
    let mut text = String::new();
    let path = |ports: Ports| {
        format!(
            "target = \"127.0.0.1\"\nhttp = [{{ path = \"{RULE}\", tcp = {}, tls = {} }}]\n",
            ports.plain, ports.tls
        )
    };
    match rules {
        Rules::Two(targets) => {
            for (ports, host) in targets.iter().zip(HOSTS) {
                write!(text, "[[host]]\nname = \"{host}\"\n{}", path(*ports))?;
            }
        }
        Rules::OneTarget(count, ports) => {
            for n in 0..count {
                write!(text, "[[host]]\nname = \"{}\"\n{}", customer(n), path(ports))?;
            }
        }
        Rules::OwnTargets(count) => {
            for n in 0..count {
                write!(
                    text,
                    "[[host]]\nname = \"{}\"\ntarget = \"{}\"\npreset = [\"innovaphone-pbx\"]\n",
                    customer(n),
                    own(n)
                )?;
            }
        }
        Rules::OwnTenants(count) => {
            for n in 0..count {
                write!(
                    text,
                    "[tenant.customer-{n}]\nname = \"Customer {n}\"\ntarget = \"{}\"\n\
                     [[host]]\nname = \"{}\"\ntenant = \"customer-{n}\"\npreset = [\"innovaphone-pbx\"]\n",
                    own(n),
                    customer(n)
                )?;
            }
        }
    }
    Ok(text)
}

/// The address of a customer's own target, in a private network.
fn own(number: u32) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::from_bits(0x0a00_0001 + number)
}
