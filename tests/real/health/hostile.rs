//! Hostile and unusual targets: how they can affect checks, and what that costs.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{becomes, changes, ip, state_of, target};
use crate::harness::sip::{answer, next_message, request};
use crate::harness::{Conn, Portward, Target, TestCa, eventually, free_port, within};

/// `openssl s_server` with TLS 1.2 that wants a certificate. Without one it ends the handshake by alert 40.
struct Strict {
    child: Child,
    _files: TempDir,
}

impl Strict {
    fn start(port: u16) -> Self {
        let dir = TempDir::new().unwrap();
        TestCa::shared().issue(&["one.example.net"]).write(dir.path(), "server");
        let accept = format!("127.0.0.1:{port}");
        let args = ["s_server", "-quiet", "-tls1_2", "-Verify", "1", "-accept", &accept];
        let child = Command::new("openssl")
            .args(args)
            .args(["-cert", "server.crt", "-key", "server.key"])
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, _files: dir }
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A TLS 1.2 server that misses our certificate sends `handshake_failure`. That is not the server's failure: neither a
/// connection nor a check marks it.
#[test]
fn a_tls_1_2_server_that_misses_our_certificate_is_not_marked() {
    within(60, || {
        let port = free_port();
        let _strict = Strict::start(port);
        let address = format!("127.0.0.1:{port}");
        eventually("it listens", || std::net::TcpStream::connect(&address).is_ok());
        let rules = |check: &str| {
            format!(
                "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\n\
                 http = [{{ path = \"\", tcp = false, tls = {port} }}]\n[target.\"127.0.0.1\"]\n{check}\n"
            )
        };
        let portward = Portward::with_rules(&rules(""));
        assert_eq!(portward.plain().get("one.example.net", "/").status(), 502);
        let seen = state_of(&portward, &address);
        assert_eq!(seen["last_failure"]["cause"], "our-certificate-refused", "{seen}");
        assert_ne!(seen["state"], "down", "{seen}");
        portward.write_rules(&rules("check = \"tls\"\ncheck_interval = \"1s\"\nfall = 1"));
        portward.hang_up();
        eventually("a check has ended", || state_of(&portward, &address)["why"] == "our-certificate-refused");
        thread::sleep(Duration::from_millis(1_500));
        assert_ne!(state_of(&portward, &address)["state"], "down");
        assert!(changes(&portward, &address).iter().all(|line| !line.contains("is down")));
    });
}

/// Before its answer to OPTIONS a PBX sends requests of its own, and other answers. Only its answer to OPTIONS counts.
#[test]
fn what_a_pbx_sends_before_its_answer_is_passed_over() {
    within(60, || {
        let pbx = |last, before: &'static str, status: &'static str| {
            target(last, None, move |conn| {
                conn.send(request("NOTIFY", "pbx@one.example.net", ""));
                conn.send(before);
                while let Some(options) = next_message(conn) {
                    if conn.try_send(answer(&options, status, "pbx")).is_err() {
                        return;
                    }
                }
            })
        };
        let stray = "SIP/2.0 200 OK\r\nCall-ID: other\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
        let stray_503 = "SIP/2.0 503 No\r\ni: other\r\nl: 0\r\n\r\n";
        let (well, ill) = (pbx(111, stray_503, "200 OK"), pbx(112, stray, "503 No"));
        let mut rules = String::new();
        for (last, pbx) in [(111, &well), (112, &ill)] {
            rules += &format!(
                "[[host]]\nname = \"h{last}.example.net\"\ntarget = \"{0}\"\nsip = {{ tcp = {1}, tls = false }}\n\
                 [target.\"{0}\"]\ncheck = \"sip\"\ncheck_interval = \"1s\"\nfall = 1\n",
                ip(last),
                pbx.port()
            );
        }
        let portward = Portward::with_rules(&rules);
        becomes(&portward, &format!("{}:{}", ip(111), well.port()), "up");
        becomes(&portward, &format!("{}:{}", ip(112), ill.port()), "down");
        assert_eq!(state_of(&portward, &format!("{}:{}", ip(112), ill.port()))["why"], "unavailable");
    });
}

/// A name and an address lead to the same port, and each has a check of its own. Only one of them sets the state, which
/// is stable.
#[test]
fn two_checks_do_not_speak_against_each_other() {
    within(60, || {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let web = Target::scripted(move |conn| {
            count.fetch_add(1, Ordering::SeqCst);
            while conn.try_request().is_some() {
                if conn.try_send("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").is_err() {
                    return;
                }
            }
        });
        let mut rules = String::new();
        for (target, check) in [("127.0.0.1", "http"), ("localhost", "tcp")] {
            rules += &format!(
                "[[host]]\nname = \"{check}.example.net\"\ntarget = \"{target}\"\n\
                 http = [{{ path = \"\", tcp = {} }}]\n\
                 [target.\"{target}\"]\ncheck = \"{check}\"\ncheck_interval = \"1s\"\nrise = 1\nfall = 1\n",
                web.port()
            );
        }
        let portward = Portward::with_rules(&rules);
        eventually("it is checked", || asked.load(Ordering::SeqCst) >= 6);
        let told = changes(&portward, &format!("127.0.0.1:{}", web.port()));
        assert_eq!(told.len(), 1, "{told:?}");
    });
}

/// Hundreds of targets that send without end, one octet at a time, requests for ever, or nothing, and never close. Some
/// close in the middle. Checks end, and memory and sockets stay within bounds.
#[test]
fn targets_that_never_end_cost_bounded_memory() {
    within(110, || {
        let kinds = Arc::new(AtomicUsize::new(0));
        let kind = Arc::clone(&kinds);
        let notify = request("NOTIFY", "pbx@one.example.net", "");
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let all = Target::listen_at(any, None, move |conn: &mut Conn| {
            let piece: Vec<u8> = match kind.fetch_add(1, Ordering::SeqCst) % 6 {
                0 => vec![b'x'; 64 * 1024],
                1 => b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000),
                2 => notify.repeat(100).into_bytes(),
                3 => b"\r\n".repeat(1_000),
                4 => b"S".to_vec(),
                _ => return drop(conn.some()),
            };
            let is_slow = piece.len() == 1;
            while conn.try_send(&piece).is_ok() {
                if is_slow {
                    thread::sleep(Duration::from_millis(20));
                }
            }
        })
        .forgetful();
        let rules: String = (0..600)
            .map(|number| {
                let address = format!("127.2.{}.{}", number / 250, number % 250 + 1);
                let (check, rule) = match number % 3 {
                    0 => ("http", format!("http = [{{ path = \"\", tcp = {} }}]", all.port())),
                    1 => ("sip", format!("sip = {{ tcp = {}, tls = false }}", all.port())),
                    _ => ("ldap", format!("ldap = {{ tcp = {}, tls = false }}", all.port())),
                };
                format!(
                    "[[host]]\nname = \"h{number}.example.net\"\ntarget = \"{address}\"\n{rule}\n\
                     [target.\"{address}\"]\ncheck = \"{check}\"\ncheck_interval = \"2s\"\ncheck_timeout = \"1s\"\n"
                )
            })
            .collect();
        let portward = Portward::with_rules(&rules);
        eventually("some are checked", || all.connections() >= 100);
        let before = portward.memory("VmRSS");
        eventually("all are checked several times", || all.connections() >= 1_500);
        let after = portward.memory("VmRSS");
        println!("{before} KiB, then {after} KiB");
        assert!(after < before + 24 * 1024, "{before} KiB, then {after} KiB");
        assert!(portward.sockets() <= 64 + 40);
        portward.assert_alive();
    });
}
