//! `portward check --connect`: tries every port of every target, and reports failures.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::terminal::{complain, harmless, print_line};
use super::count;
use crate::cause::{Cause, FailedAt};
use crate::config::Config;
use crate::service::Transport;
use crate::state::Snapshot;
use crate::stats::Stats;
use crate::upstream::{Dialer, Health, Resolver, Tried, ports_of};

/// The results for all targets.
pub(super) struct Connected(Vec<Tried>);

impl Connected {
    /// Tries every port of `snapshot`'s targets.
    ///
    /// # Errors
    /// This machine cannot make connections at all.
    pub(super) fn try_all(snapshot: &Snapshot) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let tried = runtime.block_on(try_all(snapshot));
        // The runtime does not wait for names that are still being resolved.
        runtime.shutdown_background();
        Ok(Self(tried))
    }

    /// The number of addresses and ports that cannot be used.
    pub(super) fn failures(&self) -> usize {
        self.0.iter().flat_map(|one| &one.results).filter(|(_, result)| result.is_err()).count()
    }

    /// Writes failures to standard error, and the summary to standard output.
    pub(super) fn show(&self) {
        let tried = self.0.iter().flat_map(|one| &one.results).count();
        for (one, at, cause) in self.failed() {
            let hosts = match one.port.more_hosts {
                0 => one.port.host.to_string(),
                more => format!("{} and {}", one.port.host, count(more, "more host")),
            };
            let scheme = one.port.service.scheme(one.port.transport);
            complain(format_args!(
                "error: {at} ({scheme}, for {}) {cause}: {}",
                harmless(&hosts),
                words(cause)
            ));
        }
        if self.failures() > 0 {
            complain("");
        }
        let what = if tried == 1 { "address and port of a target" } else { "addresses and ports of targets" };
        let wrong = match self.failures() {
            0 => "nothing".to_owned(),
            wrong => wrong.to_string(),
        };
        print_line(format_args!("tried {tried} {what}: {wrong} wrong"));
    }

    fn failed(&self) -> impl Iterator<Item = (&Tried, &FailedAt, Cause)> {
        self.0
            .iter()
            .flat_map(|one| one.results.iter().filter_map(move |(at, result)| Some((one, at, result.err()?))))
    }

    /// One object for each address and port.
    pub(super) fn to_json(&self) -> Value {
        let of = |one: &Tried| -> Vec<Value> {
            one.results.iter().map(|(at, result)| trial(one, at, *result)).collect()
        };
        self.0.iter().flat_map(of).collect()
    }
}

fn trial(one: &Tried, at: &FailedAt, result: Result<(), Cause>) -> Value {
    let (address, port) = match at {
        FailedAt::Address(address) => (Some(address.ip().to_string()), address.port()),
        FailedAt::Name(_, port) => (None, *port),
    };
    json!({
        "target": one.port.endpoint.address.to_string(),
        "address": address,
        "port": port,
        "service": one.port.service.name(),
        "carrier": if one.port.transport == Transport::Tls { "tls" } else { "tcp" },
        "host": one.port.host,
        "more_hosts": one.port.more_hosts,
        "ok": result.is_ok(),
        "cause": result.err().map(Cause::name),
        "message": result.err().map(words),
    })
}

async fn try_all(snapshot: &Snapshot) -> Vec<Tried> {
    let Config { listen, upstream, admin, .. } = &*snapshot.config;
    let ports = ports_of(&snapshot.table, upstream.verify);
    let resolver = Arc::new(Resolver::default());
    resolver.watch(ports.iter().filter_map(|port| port.endpoint.address.name()));
    let asking = tokio::spawn(Arc::clone(&resolver).run());
    let (health, stats) = (Health::default(), Stats::of_workers(1));
    let own = listen.listeners.iter().map(|listener| listener.address);
    let listeners: Vec<_> = own.chain(admin.listen).collect();
    let dialer = Dialer {
        tls: &snapshot.upstream_tls,
        resolver: &resolver,
        health: &health,
        listeners: &listeners,
        timeout: upstream.connect_timeout,
        counters: stats.worker(0),
        targets: stats.dialled_by(0),
    };
    let tried = dialer.try_all(ports).await;
    asking.abort();
    tried
}

/// The meaning of a cause, and where to look.
pub(super) fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::Refused => "nothing listens on that port there, or a firewall refuses",
        Cause::NoRoute => "there is no route to that address",
        Cause::Denied => "this machine's own firewall or sandbox forbids it",
        Cause::NoResources => "this machine has no port, descriptor or memory for the connection",
        Cause::TimedOut => {
            "no answer within upstream.connect_timeout: the machine is off, or a firewall drops it"
        }
        Cause::Reset => "the connection was reset at once",
        Cause::NameNotFound => "the name does not exist, or has no address",
        Cause::DnsFailed => "no name server has answered for that name",
        Cause::Loop => "this is one of Portward's own listeners: the target leads back to Portward",
        Cause::Unknown => "the operating system reports an unusual error",
        Cause::Closed => "the target closes the connection at once",
        Cause::NoAnswer => "the target has not answered in time",
        Cause::BadAnswer => "the target's answer is not what its protocol says",
        Cause::Unavailable => "the target answers that it cannot serve",
        Cause::NoTarget => "the address is not in the rule",
        Cause::TlsTimedOut => {
            "TCP connects, but the TLS handshake does not end within upstream.connect_timeout"
        }
        Cause::TlsClosed => "the target ends the connection in the middle of the TLS handshake",
        Cause::NotTls => "something answers there that is not TLS: is it the plain port?",
        Cause::NoCommonVersion => "the target speaks neither TLS 1.2 nor 1.3",
        Cause::NoCommonCipher => "the target and Portward have no cipher suite, curve or signature in common",
        Cause::OurCertificateRefused => {
            "the target does not accept Portward's certificate, or misses one: upstream.certificate"
        }
        Cause::NameRefused => {
            "the target has no certificate for the name that Portward asks for: server_name"
        }
        Cause::HandshakeRefused => "the target refuses the TLS handshake",
        Cause::BadHandshake => "the target's TLS handshake is broken",
        Cause::NoName => "there is no name that its certificate could have: set server_name, or a pin",
        Cause::WrongPin => {
            "its certificate is not the one of the pin; `portward cert show` prints the one that it has"
        }
        Cause::WrongName => "its certificate is for another name: set server_name, or a pin",
        Cause::UnknownCa => {
            "upstream.trust does not have the CA of its certificate; `portward cert show` prints a pin"
        }
        Cause::Expired => "its certificate, or one above it, has expired",
        Cause::NotYetValid => {
            "its certificate, or one above it, is not valid yet: or is this machine's clock wrong?"
        }
        Cause::Revoked => "its certificate is revoked",
        Cause::WrongPurpose => "its certificate is not made for a server",
        Cause::NotAllowed => "the issuer of its certificate may not issue it",
        Cause::BadSignature => "its certificate is not signed by the issuer that it names",
        Cause::Unreadable => "its certificate cannot be decoded",
        Cause::UnverifiableKey => "signatures of its certificate's key cannot be verified here",
        Cause::NoCertificate => "it shows no certificate",
    }
}
