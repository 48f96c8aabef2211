//! The things to try after the walk: command lines that can be pasted into a shell unchanged, each below a comment that
//! says what it shows. They need bash, curl and the programs in the comments. The comments contain no quotes, because
//! not every shell allows comments at its prompt.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::network::{Network, PHONE};
use super::tenants::CUSTOMER;
use super::{ras, sip};
use crate::service::{Service, Transport};

/// The address of the scanner. The demo's other clients have another address, so they are not listed with it.
const SCANNER: &str = "127.0.0.9";

/// The whole text, line by line. `link` logs a browser in to the dashboard.
pub(super) fn text(network: &Network, link: Option<&str>) -> String {
    let mut text = String::from("\nPortward stays up until Ctrl-C; decision lines appear here.\n");
    if let Some(link) = link {
        let _ = write!(
            text,
            "\n# The dashboard. This link logs a browser in, once and within a minute:\n# {link}\n"
        );
    }
    text.push_str("\nPaste, into another terminal:\n");
    for (shows, typed) in lines(network) {
        let _ = write!(text, "\n# {shows}\n{typed}\n");
    }
    let both = |service| Transport::ALL.map(|transport| network.port(service, transport));
    let ([sip, sips], [h323, h323s]) = (both(Service::Sip), both(Service::H323));
    let _ = write!(
        text,
        "\n# Or try real telephones on this machine:\n\
         # SIP: user ckl, domain dvl-ckl2.net, outbound proxy {sip};transport=tcp or {sips};transport=tls\n\
         # H.323 (H.460.17): gatekeeper {h323}, or {h323s} by TLS, gatekeeper identifier dvl-ckl2.net\n\n"
    );
    text
}

/// Each line, with the comment about what it shows.
fn lines(network: &Network) -> Vec<(&'static str, String)> {
    [dashboard(network), web(network), telephones(network), directory(network), commands(network)].concat()
}

fn dashboard(network: &Network) -> Vec<(&'static str, String)> {
    vec![("Another link to the dashboard", command(network, "dashboard", ""))]
}

fn web(network: &Network) -> Vec<(&'static str, String)> {
    let port = |transport| network.port(Service::Http, transport).port();
    let (http, https) = (port(Transport::Plain), port(Transport::Tls));
    let ca = quoted(&network.folder().join("certs/ca.crt"));
    let curl = |port: u16| format!("curl -sS --noproxy '*' --resolve '*:{port}:127.0.0.1'");
    let (plain, tls) = (curl(http), format!("{} --cacert {ca}", curl(https)));
    vec![
        (
            "HTTP: the master PBX answers",
            format!("{plain} http://hq.dvl-ckl2.net:{http}/PBX0/APPCLIENT/appclient.htm"),
        ),
        ("HTTPS: the same PBX, by its TLS port", format!("{tls} https://hq.dvl-ckl2.net:{https}/PBX0/APPS/")),
        ("Another host: the app platform answers", format!("{tls} https://apps.dvl-ckl2.net:{https}/")),
        ("A path that no rule has: 404", format!("{tls} -i https://hq.dvl-ckl2.net:{https}/secret")),
        (
            "A host that no rule has: closed without a byte",
            format!("{} -k https://unknown.example:{https}/", curl(https)),
        ),
        (
            "A credential of a customer becomes one with which its pages call",
            format!(
                "{} token {} --user anna --json --config {} | {tls} -H 'Content-Type: application/json' -d @- https://webrtc.example:{https}/token/{}; echo",
                program(),
                CUSTOMER.0,
                quoted(&network.config),
                CUSTOMER.0
            ),
        ),
    ]
}

fn telephones(network: &Network) -> Vec<(&'static str, String)> {
    let at = |service, transport| network.port(service, transport);
    let typed = |service, octets: &[u8], shown: &str| {
        let address = at(service, Transport::Plain);
        let (ip, port, octets) = (address.ip(), address.port(), for_printf(octets));
        format!("timeout 5 bash -c 'exec 3<>/dev/tcp/{ip}/{port}; printf \"{octets}\" >&3; {shown}'")
    };
    let register = sip::request("REGISTER", "ckl@dvl-ckl2.net");
    let proven = sip::request("REGISTER", &format!("{PHONE}@dvl-ckl2.net"));
    let folder = network.folder();
    let [ca, certificate, key] = [
        "certs/ca.crt".to_owned(),
        format!("certs/clients/{PHONE}.crt"),
        format!("certs/clients/{PHONE}.key"),
    ]
    .map(|file| quoted(&folder.join(file)));
    vec![
        (
            "SIP: a telephone registers; the answer says at which PBX, and by which of its ports",
            typed(Service::Sip, register.as_bytes(), "sed \"/^.$/q\" <&3"),
        ),
        (
            "SIP by TLS, with a certificate that proves its name: it goes to the TLS port of the PBX (needs openssl)",
            format!(
                "printf '{}' | timeout 2 openssl s_client -quiet -connect {} -CAfile {ca} -cert {certificate} -key {key} 2>/dev/null | sed '/^.$/q'",
                for_printf(proven.as_bytes()),
                at(Service::Sip, Transport::Tls),
            ),
        ),
        (
            "H.323 (H.460.17): a telephone registers; the answer has the name of its gatekeeper in it",
            typed(
                Service::H323,
                &ras::request(1, "dvl-ckl2.net", PHONE),
                "timeout 1 cat <&3 | tr -cd \"[:print:]\"; echo",
            ),
        ),
    ]
}

fn directory(network: &Network) -> Vec<(&'static str, String)> {
    let [ldap, ldaps] = Transport::ALL.map(|transport| network.port(Service::Ldap, transport));
    let search = "LDAPTLS_REQCERT=never ldapsearch -x -LLL";
    vec![
        (
            "LDAP with StartTLS: the directory of the app platform (needs ldap-utils)",
            format!("{search} -H ldap://{ldap} -ZZ -D 'apps.dvl-ckl2.net\\contacts' -w demo '(cn=eva*)'"),
        ),
        (
            "LDAP by TLS: the directory of the master PBX",
            format!("{search} -H ldaps://{ldaps} -D contacts@hq.dvl-ckl2.net -w demo '(cn=*)'"),
        ),
    ]
}

fn commands(network: &Network) -> Vec<(&'static str, String)> {
    let http = network.port(Service::Http, Transport::Plain);
    let run = |name: &str, rest: &str| command(network, name, rest);
    vec![
        (
            "Where requests would go, and by which rule",
            run(
                "explain",
                " https://hq.dvl-ckl2.net/PBX0/APPS/x sips:ckl@dvl-ckl2.net/branch-b h323:hq@dvl-ckl2.net/branch-b",
            ),
        ),
        (
            "A scanner at an address of its own: the 21st request within a minute lists it",
            format!(
                "for i in $(seq 21); do curl -s --noproxy '*' --interface {SCANNER} http://{http}/boaform/admin; done"
            ),
        ),
        ("Who is on the blacklist", run("blacklist", "")),
        (
            "What would become of its requests",
            run("explain", &format!(" --from {SCANNER} https://hq.dvl-ckl2.net/PBX0/APPS/x")),
        ),
        ("Let it in again", run(&format!("blacklist remove {SCANNER}"), "")),
        ("An entry by hand", run("blacklist add 203.0.113.9", " --for 10m --note spam")),
    ]
}

/// A command of the running program, with the demonstration's configuration.
fn command(network: &Network, name: &str, rest: &str) -> String {
    format!("{} {name} --config {}{rest}", program(), quoted(&network.config))
}

/// The name of the running program if the shell finds it by name, otherwise its path.
fn program() -> String {
    let Ok(running) = std::env::current_exe() else { return "portward".to_owned() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|folder| folder.join("portward")).find(|file| file.is_file());
    let is_it =
        |file: PathBuf| file.canonicalize().is_ok_and(|file| Some(file) == running.canonicalize().ok());
    if found.is_some_and(is_it) { "portward".to_owned() } else { quoted(&running) }
}

/// A path, quoted for a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Octets in the form of printf(1), within quotes of either kind.
fn for_printf(octets: &[u8]) -> String {
    let mut text = String::new();
    for &octet in octets {
        let _ = match octet {
            b'\r' => write!(text, "\\r"),
            b'\n' => write!(text, "\\n"),
            b' ' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => write!(text, "{}", char::from(octet)),
            octet if b":;.,/@<>=-".contains(&octet) => write!(text, "{}", char::from(octet)),
            octet => write!(text, "\\{octet:03o}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_paths_and_octets_as_they_are() {
        assert_eq!(quoted(Path::new("/tmp/a-b_c.d/portward")), "/tmp/a-b_c.d/portward");
        assert_eq!(quoted(Path::new("/tmp/it's $HOME")), "'/tmp/it'\\''s $HOME'");
        assert_eq!(
            for_printf(b"A <b>\r\n\0\x817%\\\"'$`"),
            "A <b>\\r\\n\\000\\2017\\045\\134\\042\\047\\044\\140"
        );
    }
}
