//! Real phones at real registrars: baresip, SIPp and Kamailio, with Portward between them.

use std::fs;
use std::process::Command;

use crate::harness::baresip::Baresip;
use crate::harness::kamailio::{Kamailio, PASSWORD};
use crate::harness::{Child, Portward, free_port, program, within};

const DOMAIN: &str = "one.example.net";

/// The way of a call.
#[derive(Clone, Copy)]
struct Way {
    /// The phones speak TLS.
    tls: bool,
    /// `sip.public_address` is set. Otherwise the PBX uses the outside address as its own.
    recorded: bool,
    /// TLS phones at a PBX's plain port.
    rewrites: bool,
}

/// Two phones register, and one calls the other, which answers. Then one of them hangs up.
fn call(way: Way) {
    within(100, move || {
        let (sip, sips) = (free_port(), free_port());
        let kamailio = match way.recorded {
            true => Kamailio::start(DOMAIN),
            false => Kamailio::advertising(DOMAIN, Some((sip, sips))),
        };
        let rule = match way {
            Way { rewrites: true, .. } => format!("tcp = {}, rewrite_transport = true", kamailio.plain),
            Way { tls: true, .. } => format!("tls = {}, check_certificate = false", kamailio.tls),
            Way { .. } => format!("tcp = {}", kamailio.plain),
        };
        let rules = format!("[[host]]\nname = \"{DOMAIN}\"\ntarget = \"127.0.0.1\"\nsip = {{ {rule} }}\n");
        let mut setup = Portward::rules(&rules)
            .set("listen.sip", &format!("\"127.0.0.1:{sip}\""))
            .set("listen.sips", &format!("\"127.0.0.1:{sips}\""))
            .set("log.forwarded", "\"all\"");
        if way.recorded {
            let address = format!("{{ tcp = \"127.0.0.1:{sip}\", tls = \"127.0.0.1:{sips}\" }}");
            setup = setup.set("sip.public_address", &address);
        }
        let portward = setup.start();
        let (port, transport) = if way.tls { (sips, "tls") } else { (sip, "tcp") };
        let alice = Baresip::start("alice", DOMAIN, port, transport);
        let bob = Baresip::start("bob", DOMAIN, port, transport);
        alice.registered();
        bob.registered();
        portward.decision(&[&format!(":alice@{DOMAIN} REGISTER"), "-> 127.0.0.1:"]);
        for hangs_up in [&alice, &bob] {
            alice.dial(&format!("sip:bob@{DOMAIN}"));
            bob.answer();
            bob.event("CALL_ESTABLISHED");
            alice.event("CALL_ESTABLISHED");
            hangs_up.hang_up();
            alice.event("CALL_CLOSED");
            bob.event("CALL_CLOSED");
            alice.forget();
            bob.forget();
        }
        kamailio.line(&["IN DIALOG ACK"]);
        kamailio.line(&["IN DIALOG BYE"]);
        portward.assert_alive();
    });
}

#[test]
fn phones_call_each_other_over_tcp() {
    call(Way { tls: false, recorded: true, rewrites: false });
}

#[test]
fn phones_call_each_other_over_tcp_without_a_public_address() {
    call(Way { tls: false, recorded: false, rewrites: false });
}

#[test]
fn phones_call_each_other_over_tls() {
    call(Way { tls: true, recorded: true, rewrites: false });
}

#[test]
fn phones_call_each_other_over_tls_without_a_public_address() {
    call(Way { tls: true, recorded: false, rewrites: false });
}

#[test]
fn tls_phones_call_each_other_at_a_plain_pbx() {
    call(Way { tls: true, recorded: true, rewrites: true });
}

/// SIPp's scenario: REGISTER, the challenge, REGISTER with credentials.
const REGISTER: &str = r#"<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="register">
  <send retrans="500"><![CDATA[
REGISTER sip:[field1] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:[field0]@[field1]>;tag=[call_number]
To: <sip:[field0]@[field1]>
Call-ID: [call_id]
CSeq: 1 REGISTER
Contact: <sip:[field0]@[local_ip]:[local_port];transport=[transport]>
Expires: 600
Content-Length: 0

  ]]></send>
  <recv response="401" auth="true"/>
  <send retrans="500"><![CDATA[
REGISTER sip:[field1] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:[field0]@[field1]>;tag=[call_number]
To: <sip:[field0]@[field1]>
Call-ID: [call_id]
CSeq: 2 REGISTER
Contact: <sip:[field0]@[local_ip]:[local_port];transport=[transport]>
[field2]
Expires: 600
Content-Length: 0

  ]]></send>
  <recv response="200"/>
</scenario>
"#;

#[test]
fn sipp_registers_two_hundred_users_at_two_registrars() {
    within(100, || {
        let sipp = program("sipp", "sip-tester");
        let (one, two) = (Kamailio::start(DOMAIN), Kamailio::start("two.example.net"));
        let rules = format!(
            "[[host]]\nname = \"{DOMAIN}\"\nsip = {{ target = \"127.0.0.1\", tcp = {} }}\n\
             [[host]]\nname = \"two.example.net\"\nsip = {{ target = \"127.0.0.1\", tcp = {} }}\n",
            one.plain, two.plain
        );
        let portward = Portward::rules(&rules).listen("sip").start();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("register.xml"), REGISTER).unwrap();
        let mut users = String::from("SEQUENTIAL\n");
        for number in 0..200 {
            let domain = if number % 2 == 0 { DOMAIN } else { "two.example.net" };
            users += &format!(
                "user{number};{domain};[authentication username=user{number} password={PASSWORD}]\n"
            );
        }
        fs::write(dir.path().join("users.csv"), users).unwrap();
        // Each user has a connection. The From domain of each decides.
        let mut child = Child::start(
            Command::new(sipp)
                .current_dir(dir.path())
                .args(["-sf", "register.xml", "-inf", "users.csv", "-t", "tn", "-max_socket", "400"])
                .args([
                    "-m",
                    "200",
                    "-l",
                    "200",
                    "-r",
                    "50",
                    "-i",
                    "127.0.0.1",
                    "-nostdin",
                    "-timeout",
                    "60s",
                ])
                .arg(format!("127.0.0.1:{}", portward.port("sip"))),
        );
        let status = child.wait_within(std::time::Duration::from_secs(70));
        assert!(status.success(), "{status:?}:\n{}", child.lines().join("\n"));
        for kamailio in [&one, &two] {
            kamailio.has_registered(100);
        }
        portward.decision(&["sip:user198@one.example.net REGISTER", "-> ", &format!(":{}(new)", one.plain)]);
        portward.decision(&["sip:user199@two.example.net REGISTER", "-> ", &format!(":{}(new)", two.plain)]);
    });
}
