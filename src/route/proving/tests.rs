//! One client and its connection, step by step. The tests of a request's login are in `logins`.

use super::*;
use crate::config::{Config, load_rules};
use crate::credentials::ephemeral::make;
use crate::credentials::nonce::NonceBinding;
use crate::inspect::Inspect;
use crate::inspect::sip::{Ask, Inspector};

mod logins;

const NOW: u64 = 1_700_000_000;
const DAY: u64 = 86_400;

const RULES: &str = r#"
[tenant.own]
secrets = ["of own"]
[tenant.up]
[tenant.down]
parent = "up"
[tenant.off]
enabled = false
[[host]]
name = "pbx.example"
aliases = ["other.pbx.example"]
target = "192.0.2.1"
sip = { credentials = "ephemeral" }
[[host]]
name = "any.example"
target = "192.0.2.1"
sip = { credentials = "ephemeral", credential_user = "any" }
[[host]]
name = "own.example"
tenant = "own"
target = "192.0.2.1"
sip = { credentials = "ephemeral" }
[[host]]
name = "up.example"
tenant = "up"
target = "192.0.2.1"
sip = { credentials = "ephemeral" }
[[host]]
name = "down.example"
tenant = "down"
target = "192.0.2.1"
sip = { credentials = "ephemeral" }
[[host]]
name = "*.wild.example"
target = "192.0.2.1"
sip = { credentials = "ephemeral" }
[[host]]
name = "open.example"
target = "192.0.2.2"
sip = true
"#;

struct Rules {
    table: Table,
    secrets: [Secret; 2],
    nonces: Nonces,
}

impl Rules {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        std::fs::write(&file, RULES).unwrap();
        let rules = load_rules(&file, &Config::defaults(&folder.path().join("portward.toml")));
        let table = rules.table.unwrap_or_else(|| panic!("{}", rules.diagnostics.render(false)));
        let secrets = ["newest", "older"].map(|secret| Secret::new(secret.as_bytes()));
        Self { table, secrets, nonces: Nonces::new(&[7; 32]) }
    }

    fn terms(&self, now: u64) -> Terms<'_> {
        Terms {
            table: &self.table,
            secrets: &self.secrets,
            algorithms: &[Algorithm::Md5],
            longest: DAY,
            nonces: &self.nonces,
            connection: 1,
            now,
        }
    }
}

/// A client, and its connection.
struct Client<'r> {
    rules: &'r Rules,
    proving: Proving,
    now: u64,
    nc: u32,
}

/// The answer to a request.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Passes,
    Asked { stale: bool, failed: bool },
    Refused(Reason),
    Other,
}

/// [`Why`] without its names.
#[derive(Debug, PartialEq, Eq)]
enum Reason {
    OtherName,
    Expired,
    Failed,
    Disabled,
}

impl<'r> Client<'r> {
    fn new(rules: &'r Rules) -> Self {
        Self { rules, proving: Proving::default(), now: NOW, nc: 0 }
    }

    fn look(
        &mut self,
        head: &str,
        (in_dialog, brought): (bool, Option<&HandshakeCredential>),
    ) -> (Got, String) {
        let Inspect::Found { ask: Ask::Message(message), .. } =
            Inspector::of_client().inspect(head.as_bytes())
        else {
            panic!("{head}")
        };
        let host = host_named(&self.rules.table, message.from.host.of_input(head.as_bytes())).unwrap();
        let asked = Asked::of(&self.rules.table, (host, None), (head.as_bytes(), &message)).unwrap();
        let asked = asked.with(in_dialog, brought);
        match self.proving.look(&self.rules.terms(self.now), &asked) {
            CredentialCheck::Passes { .. } => (Got::Passes, String::new()),
            CredentialCheck::Asked { more, failed, .. } => {
                (Got::Asked { stale: more.contains("stale=true"), failed }, more)
            }
            CredentialCheck::Refused(why) => {
                let why = match why {
                    Why::OtherName(_) => Reason::OtherName,
                    Why::Expired => Reason::Expired,
                    Why::Failed => Reason::Failed,
                    Why::Disabled => Reason::Disabled,
                };
                (Got::Refused(why), String::new())
            }
            CredentialCheck::NothingToCancel | CredentialCheck::Unheard => (Got::Other, String::new()),
        }
    }

    fn asks(&mut self, method: &str, from: &str) -> Got {
        self.look(&request(method, from, ""), (false, None)).0
    }

    fn in_dialog(&mut self, method: &str, from: &str) -> Got {
        self.look(&request(method, from, ""), (true, None)).0
    }

    /// Logs in as `username` by digest, with the right password under `secret`.
    fn logs_in(&mut self, method: &str, from: &str, username: &str, secret: &str) -> Got {
        let (realm, nonce) = self.challenge(from);
        let line = answer((method, &realm, &nonce), username, secret, self.nc);
        self.look(&request(method, from, &line), (false, None)).0
    }

    /// Realm and nonce of a new challenge.
    fn challenge(&mut self, from: &str) -> (String, String) {
        let proven = self.proving.proven.take();
        let (_, more) = self.look(&request("OPTIONS", from, ""), (false, None));
        self.proving.proven = proven;
        self.nc += 1;
        let quoted = |name: &str| {
            more.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        (quoted("realm"), quoted("nonce"))
    }
}

fn request(method: &str, from: &str, more: &str) -> String {
    format!(
        "{method} sip:b@x SIP/2.0\r\nVia: SIP/2.0/TCP x\r\nFrom: <sip:{from}>;tag=a\r\nTo: <sip:{from}>\r\n\
         Call-ID: 1\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// A login. Its response uses a password that [`make`] makes.
fn answer((method, realm, nonce): (&str, &str, &str), username: &str, secret: &str, nc: u32) -> String {
    use md5::{Digest as _, Md5};
    let hash =
        |text: String| -> String { Md5::digest(text).iter().map(|octet| format!("{octet:02x}")).collect() };
    let (expires, user) = username.split_once(':').unwrap();
    let (made, password) = make(expires.parse().unwrap(), user, secret.as_bytes());
    assert_eq!(made, username);
    let a1 = hash(format!("{username}:{realm}:{}", *password));
    let response = hash(format!("{a1}:{nonce}:{nc:08x}:c:auth:{}", hash(format!("{method}:sip:b@x"))));
    format!(
        "Authorization: Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:b@x\", \
         qop=auth, nc={nc:08x}, cnonce=\"c\", response=\"{response}\"\r\n"
    )
}

fn good(user: &str) -> String {
    format!("{}:{user}", NOW + 600)
}

const ASKED: Got = Got::Asked { stale: false, failed: false };

#[test]
fn w5_a_connection_is_asked_until_it_is_proven_and_again_when_that_is_over() {
    let rules = Rules::new();
    let mut client = Client::new(&rules);
    for method in ["REGISTER", "INVITE", "MESSAGE", "OPTIONS", "BYE"] {
        assert_eq!(client.asks(method, "alice@pbx.example"), ASKED, "{method}");
        assert_eq!(client.in_dialog(method, "alice@pbx.example"), ASKED, "{method}");
    }
    for method in ["ACK", "CANCEL"] {
        assert_eq!(client.asks(method, "alice@pbx.example"), Got::Other);
    }
    assert_eq!(client.logs_in("INVITE", "alice@pbx.example", &good("alice"), "older"), Got::Passes);
    for method in ["REGISTER", "MESSAGE", "ACK", "CANCEL"] {
        assert_eq!(client.asks(method, "alice@pbx.example"), Got::Passes, "{method}");
        assert_eq!(client.asks(method, "alice@other.pbx.example"), Got::Passes, "an alias is the host");
        assert_eq!(client.asks(method, "bob@pbx.example"), Got::Refused(Reason::OtherName));
    }
    // A proof at one host is no proof at another.
    assert_eq!(client.asks("MESSAGE", "alice@any.example"), ASKED);
    client.now = NOW + 600;
    assert_eq!(client.asks("MESSAGE", "alice@pbx.example"), Got::Passes);
    client.now += 1;
    assert_eq!(client.asks("MESSAGE", "alice@pbx.example"), ASKED);
    assert_eq!(client.in_dialog("BYE", "alice@pbx.example"), Got::Passes);
    assert_eq!(client.in_dialog("BYE", "bob@pbx.example"), Got::Refused(Reason::OtherName));
    assert_eq!(
        client.logs_in("MESSAGE", "alice@pbx.example", &good("alice"), "newest"),
        Got::Refused(Reason::Expired)
    );
    let later = format!("{}:alice", client.now + 60);
    assert_eq!(client.logs_in("MESSAGE", "alice@pbx.example", &later, "newest"), Got::Passes);
    assert_eq!(client.asks("MESSAGE", "alice@pbx.example"), Got::Passes);
}

#[test]
fn w5_secrets_are_those_of_the_tenant_or_else_of_the_configuration() {
    let rules = Rules::new();
    let (forged, other) = (Got::Asked { stale: false, failed: true }, Got::Refused(Reason::OtherName));
    for (method, from, user, secret, got) in [
        ("REGISTER", "alice@pbx.example", "alice", "newest", Got::Passes),
        ("REGISTER", "alice@pbx.example", "alice", "older", Got::Passes),
        ("REGISTER", "alice@own.example", "alice", "of own", Got::Passes),
        ("REGISTER", "alice@own.example", "alice", "newest", forged),
        ("REGISTER", "alice@pbx.example", "alice", "of own", Got::Asked { stale: false, failed: true }),
        ("REGISTER", "alice@up.example", "alice", "newest", Got::Passes),
        // TENANT/user@domain is valid under [sip] secrets only.
        ("REGISTER", "alice@own.example", "own/alice@own.example", "newest", Got::Passes),
        (
            "REGISTER",
            "alice@own.example",
            "own/alice@own.example",
            "of own",
            Got::Asked { stale: false, failed: true },
        ),
        ("REGISTER", "alice@up.example", "up/alice@up.example", "newest", Got::Passes),
        ("REGISTER", "alice@down.example", "up/alice@down.example", "newest", Got::Passes),
        ("REGISTER", "alice@up.example", "down/alice@up.example", "newest", Got::Refused(Reason::OtherName)),
        ("REGISTER", "alice@own.example", "up/alice@own.example", "newest", Got::Refused(Reason::OtherName)),
        ("INVITE", "alice@pbx.example", "up/alice@pbx.example", "newest", Got::Passes),
        ("REGISTER", "alice@pbx.example", "up/alice@pbx.example", "newest", other),
        ("INVITE", "alice@pbx.example", "off/alice@pbx.example", "newest", Got::Refused(Reason::Disabled)),
        ("INVITE", "alice@pbx.example", "none/alice@pbx.example", "newest", Got::Refused(Reason::OtherName)),
        ("INVITE", "bob@pbx.example", "up/alice@pbx.example", "newest", Got::Refused(Reason::OtherName)),
        (
            "INVITE",
            "alice@other.pbx.example",
            "up/alice@pbx.example",
            "newest",
            Got::Refused(Reason::OtherName),
        ),
        ("INVITE", "bob@any.example", "up/alice@any.example", "newest", Got::Refused(Reason::OtherName)),
        ("INVITE", "bob@any.example", "alice", "newest", Got::Passes),
        ("INVITE", "alice@a.wild.example", "alice", "newest", Got::Passes),
    ] {
        let mut client = Client::new(&rules);
        assert_eq!(client.logs_in(method, from, &good(user), secret), got, "{method} {from} {user} {secret}");
    }
}

#[test]
fn w5_what_is_proven_by_a_tenant_registers_nowhere_without_one_and_a_wildcard_is_one_name() {
    let rules = Rules::new();
    let mut client = Client::new(&rules);
    let of_up = good("up/alice@pbx.example");
    assert_eq!(client.logs_in("INVITE", "alice@pbx.example", &of_up, "newest"), Got::Passes);
    assert_eq!(client.asks("REGISTER", "alice@pbx.example"), Got::Refused(Reason::OtherName));
    let mut client = Client::new(&rules);
    assert_eq!(client.logs_in("INVITE", "alice@a.wild.example", &good("alice"), "newest"), Got::Passes);
    assert_eq!(client.asks("INVITE", "alice@A.WILD.example"), Got::Passes);
    assert_eq!(client.asks("INVITE", "alice@b.wild.example"), Got::Refused(Reason::OtherName));
}

#[test]
fn w5_a_login_that_does_not_count_takes_nothing_from_the_one_before() {
    let rules = Rules::new();
    let from = "alice@pbx.example";
    for (user, got) in [
        ("off/alice@pbx.example", Got::Refused(Reason::Disabled)),
        ("none/alice@pbx.example", Got::Refused(Reason::OtherName)),
    ] {
        let mut client = Client::new(&rules);
        let of_up = good("up/alice@pbx.example");
        assert_eq!(client.logs_in("INVITE", from, &of_up, "newest"), Got::Passes);
        assert_eq!(client.logs_in("INVITE", from, &good(user), "newest"), got);
        assert_eq!(client.asks("INVITE", from), Got::Passes, "{user}");
    }
}

#[test]
fn w5_what_a_handshake_brought_is_not_asked_for_again() {
    let rules = Rules::new();
    let brought = |username: &str, secret: &str| {
        let (expires, user) = username.split_once(':').unwrap();
        let (username, password) = make(expires.parse().unwrap(), user, secret.as_bytes());
        HandshakeCredential {
            username: username.into_bytes().into(),
            password: password.as_bytes().to_vec().into(),
        }
    };
    let from = "alice@pbx.example";
    for (username, secret, got) in [
        (good("alice"), "older", Got::Passes),
        (good("bob"), "older", Got::Refused(Reason::OtherName)),
        (good("alice"), "of own", Got::Refused(Reason::Failed)),
        (format!("{}:alice", NOW - 1), "newest", Got::Refused(Reason::Expired)),
        (format!("{}:alice", NOW + DAY + 61), "newest", Got::Refused(Reason::Failed)),
    ] {
        let brought = brought(&username, secret);
        let mut client = Client::new(&rules);
        for _ in 0..2 {
            let (found, _) = client.look(&request("REGISTER", from, ""), (false, Some(&brought)));
            assert_eq!(found, got, "{username} {secret}");
        }
    }
    // The same credential is wrong at a host whose tenant has secrets of its own.
    let brought = brought(&good("alice"), "newest");
    let mut client = Client::new(&rules);
    let (found, _) = client.look(&request("REGISTER", "alice@own.example", ""), (false, Some(&brought)));
    assert_eq!(found, Got::Refused(Reason::Failed));
    let (found, _) = client.look(&request("REGISTER", from, ""), (false, Some(&brought)));
    assert_eq!(found, Got::Passes, "it is looked at again for each From");
}
