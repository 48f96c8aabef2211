//! A Portward as administrators run it: several hosts and tenants, a target that is down, a certificate near its end,
//! and clients of all kinds. A balancer conveys the clients' addresses by the PROXY protocol.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::harness::{
    Portward, Setup, Target, TestCa, curl, directory, eventually, free_port, h323, ok, sip,
};

/// The addresses of the targets. Each has the services of one PBX: the master, the slave, the App Platform, and the
/// systems of other makers.
const MASTER: Ipv4Addr = Ipv4Addr::new(127, 31, 31, 2);
const SLAVE: Ipv4Addr = Ipv4Addr::new(127, 31, 31, 3);
const APPS: Ipv4Addr = Ipv4Addr::new(127, 31, 31, 12);
const ADAPTER: Ipv4Addr = Ipv4Addr::new(127, 31, 31, 40);
const ACCOUNTS: Ipv4Addr = Ipv4Addr::new(127, 31, 31, 50);

/// The names in the directories.
const NAMES: &[&str] =
    &["dvl-ckl2.net\\ldap-guest", "hq.dvl-ckl2.net\\ldap-guest", "apps.dvl-ckl2.net\\contacts"];

/// The password of these names.
pub const BIND_PASSWORD: &str = "pw";

/// A running daemon with its targets.
pub struct Busy {
    /// The daemon.
    pub portward: Portward,
    /// The port of `admin.listen`.
    pub admin: u16,
    targets: Targets,
}

struct Targets {
    web: Target,
    phone: Target,
    phone_tls: Target,
    book: Target,
    gatekeeper: Target,
    apps: Target,
    apps_book: Target,
    adapter: Target,
    accounts: Target,
}

impl Targets {
    fn start() -> Self {
        let identity = TestCa::shared().issue(&["dvl-ckl2.net"]);
        let web = |_: &crate::harness::Message, _| ok("<!doctype html><title>PBX</title>");
        let book = |address| {
            at(address, 389, |place| {
                Target::listen_at(place, None, |conn| directory::serve(conn, NAMES, BIND_PASSWORD, 3))
            })
        };
        Self {
            web: at(MASTER, 80, |place| Target::http_at(place, web)),
            phone: at(MASTER, 5060, |place| {
                Target::listen_at(place, None, |conn| sip::serve(conn, "innovaphone"))
            }),
            phone_tls: at(MASTER, 5061, |place| {
                Target::listen_at(place, Some(&identity), |conn| sip::serve(conn, "innovaphone"))
            }),
            book: book(MASTER),
            gatekeeper: at(MASTER, 1720, |place| {
                Target::listen_at(place, None, |conn| h323::serve(conn, "dvl-ckl2.net"))
            }),
            apps: at(APPS, 80, |place| Target::http_at(place, web)),
            apps_book: book(APPS),
            adapter: at(ADAPTER, 80, |place| Target::http_at(place, web)),
            accounts: at(ACCOUNTS, 5060, |place| {
                Target::listen_at(place, None, |conn| sip::serve(conn, "kamailio"))
            }),
        }
    }

    /// All rules for the traffic. `branch-b` is down.
    fn rules(&self) -> String {
        format!(
            r#"# The headquarters and a branch, as in the seed's example.
[[host]]
name = "hq.dvl-ckl2.net"
target = "{MASTER}"
ldap = {{ tcp = {book}, tls = false }}
http = [
  {{ path = "/PBX0/APPCLIENT", tcp = {web} }},
  {{ path = "/PBX0/APPS", tcp = {web} }},
  {{ path = "/PBX0/user.soap", tcp = {web} }},
]

[[host]]
name = "branch-b.dvl-ckl2.net"
target = "{SLAVE}"
http = [{{ path = "/PBX0", tcp = 80 }}]

[[host]]
name = "apps.dvl-ckl2.net"
target = "{APPS}"
http = [{{ path = "", tcp = {apps} }}]
ldap = {{ tcp = {apps_book}, tls = false }}

# For phones.
[[host]]
name = "dvl-ckl2.net"
target = "{MASTER}"
sip = {{ tcp = {phone}, tls = {phone_tls} }}
h323 = {{ tcp = {gatekeeper}, tls = false }}
ldap = {{ tcp = {book}, tls = false }}

# An old name that is out of use.
[[host]]
name = "old.dvl-ckl2.net"
target = "{MASTER}"
enabled = false
http = [{{ path = "/PBX0", tcp = {web} }}]

# One app for the customers of many PBXs.
[[host]]
name = "demo.webtrit.example"
http = [{{ path = "/tenant/{{tenant}}", strip = true, tcp = {adapter} }}]

[tenant.ABC]
name = "ABC Ltd"
target = "{ADAPTER}"

[tenant.XYZ]
name = "XYZ Ltd"
target = "{ADAPTER}"

[tenant.OLD]
name = "A customer who has left"
target = "{ADAPTER}"
enabled = false

# Accounts below accounts.
[tenant.2600hz]
name = "2600hz Master"
target = "{ACCOUNTS}"

[tenant.customer]
name = "A customer of 2600hz"
parent = "2600hz"

[[host]]
name = "customer.s.2600hz.example"
tenant = "customer"
sip = {{ tcp = {accounts}, tls = false }}

[target."{MASTER}"]
check = "tcp"
check_interval = "2s"
[target."{APPS}"]
check = "http"
check_interval = "2s"
[target."{SLAVE}"]
check = "tcp"
check_interval = "2s"
fall = 1
"#,
            book = self.book.port(),
            web = self.web.port(),
            apps = self.apps.port(),
            apps_book = self.apps_book.port(),
            phone = self.phone.port(),
            phone_tls = self.phone_tls.port(),
            gatekeeper = self.gatekeeper.port(),
            adapter = self.adapter.port(),
            accounts = self.accounts.port(),
        )
    }
}

/// A target on its service's standard port, or on another port if that is in use.
fn at(address: Ipv4Addr, port: u16, start: impl FnOnce(SocketAddr) -> Target) -> Target {
    let own = SocketAddr::from((address, port));
    let is_free = TcpListener::bind(own).is_ok();
    start(if is_free { own } else { SocketAddr::from((address, 0)) }).forgetful()
}

impl Busy {
    /// Starts everything.
    pub fn start() -> Self {
        Self::start_with(|setup| setup)
    }

    /// The same with other settings.
    pub fn start_with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let targets = Targets::start();
        let admin = free_port();
        let setup = Portward::rules(&targets.rules())
            .listen("sip")
            .listen("sips")
            .listen("ldap")
            .listen("h323")
            .set("listen.proxy_protocol_from", "[\"127.0.0.1/32\"]")
            .set("tls.certificates", "\"server\"")
            .set("tls.client_trust", "\"ca.crt\"")
            .set("upstream.trust", "\"ca.crt\"")
            .set("upstream.verify", "\"ca\"")
            .set("blacklist.allow", "[]")
            .set("admin.listen", &format!("\"127.0.0.1:{admin}\""));
        for (name, names, until) in [
            ("dvl-ckl2.net", &["dvl-ckl2.net", "*.dvl-ckl2.net"][..], 61),
            ("webtrit.example", &["demo.webtrit.example"], 12),
            ("2600hz.example", &["customer.s.2600hz.example"], 74),
        ] {
            let identity = TestCa::shared().issue_for(names, (-29, until));
            identity.write(&setup.dir().join("server"), name);
        }
        let portward = change(setup).start();
        let socket = portward.dir().join("portward.sock");
        eventually("the socket is there", || UnixStream::connect(&socket).is_ok());
        portward.line(&[&format!("administration on 127.0.0.1:{admin}")]);
        Self { portward, admin, targets }
    }

    /// The origin of its page: `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin)
    }

    /// Asks over the socket. Returns the JSON of the answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let socket = self.portward.dir().join("portward.sock").display().to_string();
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut args = vec!["--unix-socket", &socket, "-X", method];
        if !body.is_empty() {
            args.extend(["-d", &body]);
        }
        let url = format!("http://portward{path}");
        args.push(&url);
        let said = curl(&args).out;
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{path}: {error}: {said}"))
    }

    /// GET over the socket.
    pub fn get(&self, path: &str) -> Value {
        self.ask("GET", path, None)
    }

    /// The token that allows changes.
    pub fn token(&self) -> String {
        self.get("/v1/token")["token"].as_str().unwrap().to_owned()
    }

    /// The token that only reads.
    pub fn reading_token(&self) -> String {
        self.get("/v1/token?read=1")["token"].as_str().unwrap().to_owned()
    }

    /// The rules of the start, so that a test can change and write them.
    pub fn rules(&self) -> String {
        self.targets.rules()
    }

    /// Stops the daemon and starts it again. The port of the page stays the same.
    pub fn restart(self) -> Self {
        let Self { portward, admin, targets } = self;
        let portward = portward.restart();
        portward.line(&[&format!("administration on 127.0.0.1:{admin}")]);
        Self { portward, admin, targets }
    }
}
