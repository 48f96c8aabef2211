//! The network of the demonstration: the reference network `dvl-ckl2.net`, moved to loopback.
//!
//! Its rules are the shipped example, read by the normal loader. Only addresses and ports differ: 172.31.31.2 becomes
//! 127.31.31.2, and so on. The standard ports, which only root may open, become free ports.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use super::error::DemoError;
use super::standin::StandIn;
use super::tenants;
use crate::config::{self, Config};
use crate::rules::{Address, Endpoint, Table};
use crate::service::{PerService, Service, Transport};
use crate::tls::{DevCa, Issued};

/// The complete example of the reference network.
const EXAMPLE: &str = include_str!("../../rules/examples/dvl-ckl2.net.toml");

/// The telephone that has a certificate, by its hardware ID.
pub(super) const PHONE: &str = "009033410004";

/// The name of the socket in the folder.
const SOCKET: &str = "portward.sock";

/// The machines of the reference network: address, role, name.
const MACHINES: [(Ipv4Addr, &str, &str); 3] = [
    (Ipv4Addr::new(172, 31, 31, 2), "master PBX", "hq.dvl-ckl2.net"),
    (Ipv4Addr::new(172, 31, 31, 3), "slave PBX", "branch-b.dvl-ckl2.net"),
    (Ipv4Addr::new(172, 31, 31, 12), "app platform", "apps.dvl-ckl2.net"),
];

/// For each service the plain port and the TLS port, on loopback.
type Ports = PerService<[u16; 2]>;

/// Everything that was made for the demonstration.
pub(super) struct Network {
    /// The folder. It is removed with the network.
    folder: TempDir,
    /// portward.toml.
    pub(super) config: PathBuf,
    /// The ports on which Portward listens.
    ports: Ports,
    /// The address of the dashboard.
    admin: SocketAddr,
    /// TLS for visitors. It trusts the demonstration's CA.
    pub(super) visitor_tls: Arc<ClientConfig>,
    /// The same for a telephone that has a certificate for [`PHONE`] and shows it.
    pub(super) phone_tls: Arc<ClientConfig>,
    /// The machines inside.
    pub(super) inside: Vec<StandIn>,
}

impl Network {
    /// Makes certificates, rules and configuration in a temporary folder, and starts the machines inside.
    pub(super) async fn make() -> Result<Self, DemoError> {
        let folder = tempfile::Builder::new().prefix("portward-demo-").tempdir()?;
        let root = folder.path();
        let ca = DevCa::new().map_err(DemoError::Certificates)?;
        let certs = root.join("certs");
        for below in ["server", "client-trust", "upstream-trust", "clients"] {
            std::fs::create_dir_all(certs.join(below))?;
        }
        let shown = ca
            .server(&[&["*.dvl-ckl2.net", "dvl-ckl2.net"][..], &tenants::NAMES[..]].concat())
            .map_err(DemoError::Certificates)?;
        std::fs::write(certs.join("server/wildcard.crt"), &shown.cert_pem)?;
        private(&certs.join("server/wildcard.key"), &shown.key_pem)?;
        std::fs::write(certs.join("ca.crt"), ca.certificate_pem())?;
        std::fs::write(certs.join("upstream-trust/ca.crt"), ca.certificate_pem())?;
        std::fs::write(certs.join("client-trust/ca.crt"), ca.certificate_pem())?;
        let phone = ca.client(PHONE).map_err(DemoError::Certificates)?;
        std::fs::write(certs.join(format!("clients/{PHONE}.crt")), &phone.cert_pem)?;
        private(&certs.join(format!("clients/{PHONE}.key")), &phone.key_pem)?;

        let mut inside = Vec::new();
        for (address, role, name) in MACHINES {
            let issued = ca.server(&[name, "dvl-ckl2.net"]).map_err(DemoError::Certificates)?;
            for service in Service::ALL {
                inside.push(StandIn::start((moved(address), [0; 2]), address, role, service, &issued).await?);
            }
        }
        let mut same = [0; 2];
        for (address, role, name, service) in tenants::MACHINES {
            // A target's address has no name, so its certificate is for the host that is asked for.
            let names = [&[name][..], &tenants::NAMES[..]].concat();
            let issued = ca.server(&names).map_err(DemoError::Certificates)?;
            let machine = StandIn::start((moved(address), same), address, role, service, &issued).await?;
            // Only the second adapter has the same ports as the machine before it.
            same = if same == [0; 2] && service == Service::Http {
                [machine.plain.port(), machine.tls.port()]
            } else {
                [0; 2]
            };
            inside.push(machine);
        }
        let mut ports = Ports::default();
        for service in Service::ALL {
            ports[service] = [free_port().await?, free_port().await?];
        }
        let table = example(root)?;
        std::fs::create_dir_all(root.join("rules"))?;
        std::fs::write(root.join("rules/dvl-ckl2.net.toml"), rules(&table, &inside))?;
        for (name, text) in tenants::rules(&inside) {
            std::fs::write(root.join("rules").join(name), text)?;
        }
        let config = root.join("portward.toml");
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().await?));
        std::fs::write(&config, configuration(&ports, admin))?;
        let visitor_tls = trusting(ca.certificate_pem(), None)?;
        let phone_tls = trusting(ca.certificate_pem(), Some(&phone))?;
        Ok(Self { config, ports, admin, visitor_tls, phone_tls, inside, folder })
    }

    /// The address on which Portward listens for a service.
    pub(super) fn port(&self, service: Service, transport: Transport) -> SocketAddr {
        address(&self.ports, service, transport)
    }

    /// The path of the socket by which commands reach the server.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// The address of the dashboard.
    pub(super) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The text before the walk.
    pub(super) fn introduction(&self) -> String {
        let mut text = String::from(
            "Portward on loopback, with the rules of dvl-ckl2.net, of three kinds of tenants and of browsers that call, and throw-away certificates.\n\n",
        );
        for (service, transport) in Service::by_transport() {
            let address = self.port(service, transport);
            let _ = writeln!(text, "  outside   {:<6} {address}", service.scheme(transport));
        }
        for machine in &self.inside {
            let _ = writeln!(text, "  inside    {:<19}  {}", machine.role, machine.place());
        }
        let _ = writeln!(text, "  files     {}", self.folder.path().display());
        text
    }

    /// The folder with everything that was made.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The shipped example, read by the loader.
fn example(root: &Path) -> Result<Table, DemoError> {
    let file = root.join("example.toml");
    std::fs::write(&file, EXAMPLE)?;
    let rules = config::load_rules(&file, &Config::defaults(&file));
    let _ = std::fs::remove_file(&file);
    rules.table.ok_or_else(|| DemoError::Refused((&rules.diagnostics).into()))
}

/// The example's rules with the addresses and ports of the machines on loopback.
fn rules(table: &Table, inside: &[StandIn]) -> String {
    let mut text =
        String::from("# The seed's network, rules/examples/dvl-ckl2.net.toml, moved to loopback.\n");
    for host in table.iter() {
        let _ = writeln!(text, "\n[[host]]\nname = \"{}\"", host.name());
        for (service, rule) in host.rules() {
            let _ = writeln!(text, "{service} = {}", to_machine(service, &rule.endpoints, inside, ""));
        }
        if !host.serves(Service::Http) {
            continue;
        }
        text.push_str("http = [\n");
        for rule in host.http_rules() {
            let path = format!("path = \"{}\", ", rule.path);
            let _ = writeln!(text, "  {},", to_machine(Service::Http, rule.endpoints, inside, &path));
        }
        text.push_str("]\n");
    }
    text
}

/// The rule that leads to the machine for the first of `endpoints`.
fn to_machine(service: Service, endpoints: &[Endpoint], inside: &[StandIn], more: &str) -> String {
    let original = match endpoints.first().map(|endpoint| &endpoint.address) {
        Some(Address::Ip(IpAddr::V4(ip))) => *ip,
        _ => Ipv4Addr::UNSPECIFIED,
    };
    let machine = inside.iter().find(|machine| machine.original == original && machine.service == service);
    machine.map_or_else(String::new, |StandIn { plain, tls, .. }| {
        format!("{{ {more}target = \"{}\", tcp = {}, tls = {} }}", plain.ip(), plain.port(), tls.port())
    })
}

fn address(ports: &Ports, service: Service, transport: Transport) -> SocketAddr {
    let [plain, tls] = ports[service];
    let port = if transport.is_tls() { tls } else { plain };
    (Ipv4Addr::LOCALHOST, port).into()
}

fn configuration(ports: &Ports, admin: SocketAddr) -> String {
    let mut listen = String::new();
    let mut outside = Vec::new();
    for (service, transport) in Service::by_transport() {
        let (name, address) = (service.scheme(transport), address(ports, service, transport));
        let _ = writeln!(listen, "{name} = \"{address}\"");
        outside.push(format!("{name} = {}", address.port()));
    }
    format!(
        "rules = \"rules\"\nstate = \"state\"\n\n[listen]\n{listen}\n\
         [outside]\naddress = \"127.0.0.1\"\nports = {{ {} }}\n\n\
         [tls]\ncertificates = \"certs/server\"\nclient_trust = \"certs/client-trust\"\n\n\
         [upstream]\ntrust = \"certs/upstream-trust\"\n\n[sip]\nsecrets = [\"{}\"]\n\n[log]\nforwarded = \"all\"\n\n\
         [admin]\nsocket = \"{SOCKET}\"\nlisten = \"{admin}\"\n",
        outside.join(", "),
        tenants::SIP_SECRET
    )
}

/// The loopback address for an address of the reference network.
pub(super) fn moved(address: Ipv4Addr) -> Ipv4Addr {
    let [_, b, c, d] = address.octets();
    Ipv4Addr::new(127, b, c, d)
}

/// A free port for one of Portward's listeners. A connection to the port is left in TIME_WAIT. So for a minute the kernel
/// does not choose this port for another program. Portward can still open it, because its listeners set SO_REUSEADDR.
async fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let client = TcpStream::connect(address).await?;
    // The side that closes first is the one in TIME_WAIT.
    drop(listener.accept().await?);
    drop(client);
    Ok(address.port())
}

fn private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn trusting(ca: &str, own: Option<&Issued>) -> Result<Arc<ClientConfig>, DemoError> {
    let none = |_| std::io::Error::other("the demonstration's CA is unusable");
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(certificate.map_err(|_| std::io::Error::other("no PEM"))?).map_err(none)?;
    }
    let builder = ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(none)?
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::from_pem_slice(own.key_pem.as_bytes());
            let key = key.map_err(|_| std::io::Error::other("no PEM"))?;
            builder.with_client_auth_cert(vec![own.der().to_vec().into()], key).map_err(none)?
        }
    };
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Between the choice of a port and the start of Portward no other program gets it, and none is chosen twice.
    #[tokio::test]
    async fn a_port_that_was_chosen_stays_free() {
        let mut chosen = HashSet::new();
        for _ in 0..500 {
            assert!(chosen.insert(free_port().await.unwrap()), "a port was chosen twice");
        }
        for port in chosen.into_iter().take(20) {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind((Ipv4Addr::LOCALHOST, port).into()).unwrap();
            socket.listen(1).unwrap();
        }
    }
}
