//! `portward cert show`.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use rustls_pki_types::ServerName;
use serde_json::{Value, json};

use super::super::terminal::{harmless, print_line};
use super::words;
use crate::tls::{Facts, Possession, chain_of};

/// The deadline for resolving a name. The connection has a deadline of its own.
const RESOLVE_DEADLINE: Duration = Duration::from_secs(10);

/// Show the certificates of a target, and the line that pins the first one
///
/// Connects with TLS, trusts nothing and sends nothing. Compare the fingerprint with what the PBX shows on its own
/// pages before you paste the pin: this command cannot know whether it spoke to the right one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward cert show 172.31.31.2:5061\n  \
    portward cert show [2001:db8::2]:443 --server-name hq.dvl-ckl2.net\n  \
    portward cert show pbx.example.net:636 --json")]
pub(super) struct Args {
    /// The target: an IP address or a DNS name, with the TLS port
    #[arg(value_name = "ADDRESS:PORT", value_parser = target)]
    target: HostPort,

    /// The name to ask for (SNI); without it the target's own, if it is a DNS name
    #[arg(long, value_name = "NAME", value_parser = server_name)]
    server_name: Option<ServerName<'static>>,

    /// Write one object to standard output
    #[arg(long)]
    json: bool,
}

/// The target in the arguments of `cert show`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostPort {
    host: ServerName<'static>,
    port: u16,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let shown = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| {
            let shown = runtime.block_on(ask(args));
            // The runtime does not wait for a name that is still being resolved.
            runtime.shutdown_background();
            shown
        });
    match shown {
        Ok(shown) if args.json => print_json(&shown),
        Ok(shown) => print_text(args, &shown),
        Err(why) => {
            let HostPort { host, port } = &args.target;
            let place = format!("{} port {port}", host.to_str());
            return words::fail(format_args!("{place}: {why}"), "");
        }
    }
    ExitCode::SUCCESS
}

/// The certificates that the target has shown.
struct Shown {
    address: SocketAddr,
    chain: Vec<Facts>,
    /// Whether a signature of the first certificate's key can be verified. Without that a pin is of no use.
    verifiable: bool,
}

async fn ask(args: &Args) -> Result<Shown, String> {
    let address = args.target.resolve().await?;
    let name = args.server_name.clone().unwrap_or_else(|| args.target.host.clone());
    let shown = chain_of(address, name).await.map_err(|error| error.to_string())?;
    let facts: Option<Vec<_>> = shown.chain.iter().map(|certificate| Facts::of(certificate)).collect();
    let chain = facts.ok_or("the target shows no usable certificate")?;
    Ok(Shown { address, chain, verifiable: shown.possession == Possession::Proven })
}

impl HostPort {
    async fn resolve(&self) -> Result<SocketAddr, String> {
        if let ServerName::IpAddress(ip) = &self.host {
            return Ok((IpAddr::from(*ip), self.port).into());
        }
        let host = self.host.to_str();
        match tokio::time::timeout(RESOLVE_DEADLINE, tokio::net::lookup_host((&*host, self.port))).await {
            Ok(Ok(mut found)) => found.next().ok_or_else(|| "the name has no address".to_owned()),
            Ok(Err(error)) => Err(format!("the name cannot be resolved: {error}")),
            Err(_) => Err("the name cannot be resolved in time".to_owned()),
        }
    }
}

fn print_text(args: &Args, Shown { address, chain, verifiable }: &Shown) {
    let count = if chain.len() == 1 { "1 certificate" } else { "certificates, its own first" };
    print_line(format_args!("{address} shows {count}:"));
    for facts in chain {
        print_line("");
        say_facts_of(facts);
    }
    let Some(own) = chain.first() else { return };
    print_line("");
    let line = if *verifiable {
        print_line("If that is the right one, this in the rules makes sure that it stays so:");
        pin(own)
    } else {
        print_line(
            "Portward cannot verify a signature of this key, so no pin and no trust can accept this certificate.",
        );
        print_line(
            "With a new key (RSA 2048 or ECDSA P-256) both can. Until then, this line connects to any machine that answers there:",
        );
        "verify = \"none\"".to_owned()
    };
    print_line("");
    print_line(format_args!("  [target.\"{}\"]", args.target.host.to_str()));
    print_line(format_args!("  {line}"));
}

fn say_facts_of(facts: &Facts) {
    print_line(harmless(facts.common_name.as_deref().unwrap_or("(no common name)")));
    words::say_facts(facts);
}

fn print_json(Shown { address, chain, verifiable }: &Shown) {
    let list: Vec<Value> = chain.iter().map(Facts::to_json).collect();
    let pin = chain.first().filter(|_| *verifiable).map(|own| format!("sha256:{}", own.fingerprint_hex()));
    print_line(format_args!("{:#}", json!({ "address": address.to_string(), "chain": list, "pin": pin })));
}

fn pin(own: &Facts) -> String {
    format!("pin = \"sha256:{}\"", own.fingerprint_hex())
}

fn target(text: &str) -> Result<HostPort, String> {
    let (host, port) = text.rsplit_once(':').ok_or("a port is missing, as in 172.31.31.2:5061")?;
    let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return Err("an IPv6 address stands in brackets, as in [2001:db8::2]:443".to_owned());
    }
    Ok(HostPort { host: server_name(bare.unwrap_or(host))?, port })
}

fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned())
        .map_err(|_| format!("{text:?} is neither an IP address nor a DNS name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_addresses_or_names_with_a_port() {
        for (text, host, port) in [
            ("172.31.31.2:5061", "172.31.31.2", 5061),
            ("[2001:db8::2]:443", "2001:db8::2", 443),
            ("pbx.example.net:636", "pbx.example.net", 636),
        ] {
            let target = target(text).unwrap();
            assert_eq!((&*target.host.to_str(), target.port), (host, port));
        }
        for (text, expected) in [
            ("172.31.31.2", "port is missing"),
            ("2001:db8::2:443", "brackets"),
            ("pbx:https", "no port"),
            ("a b:1", "neither"),
            (":443", "neither"),
        ] {
            assert!(target(text).unwrap_err().contains(expected), "{text}");
        }
    }
}
