//! The verdict on a client's certificate, and what follows from it (contract sections 4 and 5).
//!
//! The PBX trusts registrations that arrive by TLS. So every test asks the targets how a registration arrived, and does
//! not trust the log.

mod absence;
mod acme;
mod authority;
mod causes;
mod foreign;
mod held;
mod identities;
mod keys;
mod life;
mod matrix;
mod testssl;
mod tokens;
mod trust;
mod upstream;
mod words;

use std::sync::Arc;

use authority::{Authority, write};
use portward::demo::ras;

use crate::harness::h323::confirmed_by;
use crate::harness::{Identity, Portward, Setup, Target, TestCa, Wire, h323, sip};

/// The protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Sip,
    H323,
}

impl Spoken {
    const BOTH: [Self; 2] = [Self::Sip, Self::H323];

    fn key(self, tls: bool) -> &'static str {
        match (self, tls) {
            (Self::Sip, false) => "sip",
            (Self::Sip, true) => "sips",
            (Self::H323, false) => "h323",
            (Self::H323, true) => "h323s",
        }
    }

    /// Registers `name` at `host`. Returns the name of the answering PBX. `None`: there was no answer.
    fn register(self, client: &mut Wire, name: &str, host: &str) -> Option<String> {
        match self {
            Self::Sip => {
                client.send(sip::request("REGISTER", &format!("{name}@{host}"), ""));
                let answer = sip::next_message(client)?;
                Some(answer.header("Server").map_or_else(|| answer.start.clone(), str::to_owned))
            }
            Self::H323 => {
                client.send(ras::request(1, host, name));
                h323::next_message(client).and_then(|answer| ras::confirmed_by(&answer))
            }
        }
    }
}

/// A PBX with a plain and a TLS port for both protocols. Each port tells its own name.
struct Pbx {
    sip: [Target; 2],
    h323: [Target; 2],
}

impl Pbx {
    fn start() -> Self {
        let identity: Identity = TestCa::shared().issue(&["dvl-ckl2.net"]);
        Self {
            sip: [
                Target::scripted(|conn| sip::serve(conn, "plain")),
                Target::scripted_tls(&identity, |conn| sip::serve(conn, "TLS")),
            ],
            h323: [
                Target::scripted(|conn| h323::serve(conn, "plain")),
                Target::scripted_tls(&identity, |conn| h323::serve(conn, "TLS")),
            ],
        }
    }

    fn of(&self, spoken: Spoken) -> &[Target; 2] {
        match spoken {
            Spoken::Sip => &self.sip,
            Spoken::H323 => &self.h323,
        }
    }

    /// Connections to the plain and to the TLS port.
    fn seen(&self, spoken: Spoken) -> [usize; 2] {
        self.of(spoken).each_ref().map(Target::connections)
    }

    /// A host with both protocols at this PBX. `more` is added to both rules.
    fn host(&self, name: &str, more: &str, keys: &str) -> String {
        let rule = |spoken: Spoken| {
            let [tcp, tls] = self.of(spoken).each_ref().map(Target::port);
            format!("{{ tcp = {tcp}, tls = {tls}{more} }}")
        };
        format!(
            "[[host]]\nname = \"{name}\"\ntarget = \"127.0.0.1\"\n{keys}sip = {}\nh323 = {}\n",
            rule(Spoken::Sip),
            rule(Spoken::H323)
        )
    }
}

const HOST: &str = "dvl-ckl2.net";

/// Portward with these rules; the telephones' CA is trusted.
fn front(rules: &str) -> Setup {
    let setup = Portward::rules(rules)
        .certificate("server", &[HOST])
        .set("tls.client_trust", "\"trust\"")
        .listen("sip")
        .listen("sips")
        .listen("h323")
        .listen("h323s");
    write(&setup.dir().join("trust"), &[("telephones.crt", &Authority::trusted().pem)]);
    setup
}

/// A TLS client on the port of a service.
fn by_tls(portward: &Portward, spoken: Spoken, config: &Arc<rustls::ClientConfig>) -> Wire {
    let wire = Wire::plain(portward.port(spoken.key(true)));
    wire.try_into_tls(Arc::clone(config), HOST).expect("no certificate fails a handshake")
}

/// A TLS client with a trusted certificate for this name.
fn proven(name: &str) -> Arc<rustls::ClientConfig> {
    Authority::trusted().issue(&authority::Wanted::named(name)).client(&rustls::version::TLS13)
}

/// Registers by H.323 with the test's own octets. Returns the name of the confirming gatekeeper.
fn confirmed(client: &mut Wire, octets: &[u8]) -> String {
    client.send(octets);
    confirmed_by(client)
}
