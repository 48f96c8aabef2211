//! Item 29: certificates, trust and CRLs that are gone or empty replace nothing (contract section 4). If their absence
//! is noticed, their old contents stay in force, and a message says so. A reload obeys an empty folder, and refuses a
//! missing one.

use std::fs;
use std::path::{Path, PathBuf};

use super::authority::{Authority, Chain, Wanted, write};
use super::{HOST, Pbx, Spoken, by_tls, front};
use crate::harness::{Portward, Setup, Target, TestCa, Wire, command, eventually, within};

/// All files that can vanish, in use: server certificates, the trust for targets, our own certificate for targets, the
/// usual client trust with a CRL, and a host's own client trust with another CRL.
struct All {
    portward: Portward,
    good: [Chain; 2],
    revoked: [Chain; 2],
    _pbx: Pbx,
    _web: Target,
}

const OWN: &str = "own.dvl-ckl2.net";
const FOLDERS: [&str; 5] = ["certs", "inside", "trust", "tenant", "rp"];

impl All {
    fn start() -> Self {
        let (pbx, tenant) = (Pbx::start(), Authority::root("Tenant"));
        let web =
            Target::listen(std::net::Ipv4Addr::LOCALHOST, Some(&TestCa::shared().issue(&[HOST])), |conn| {
                while conn.try_request().is_some() && conn.try_send(crate::harness::ok("here")).is_ok() {}
            });
        let rules =
            pbx.host(HOST, "", &format!("http = [{{ path = \"\", tcp = false, tls = {} }}]\n", web.port()))
                + &pbx.host(OWN, "", "client_trust = \"../tenant\"\n")
                + &format!("[target.\"127.0.0.1\"]\nserver_name = \"{HOST}\"\n");
        let front = Self::front(&rules);
        let issue = |authority: &Authority| authority.issue(&Wanted::named("ckl"));
        let good = [issue(Authority::trusted()), issue(&tenant)];
        let revoked = [issue(Authority::trusted()), issue(&tenant)];
        write(&front.dir().join("tenant"), &[("ca.crt", &tenant.pem)]);
        write(&front.dir().join("tenant"), &[("t.crl", &tenant.revoke(&[&revoked[1]], 30))]);
        write(&front.dir().join("trust"), &[("t.crl", &Authority::trusted().revoke(&[&revoked[0]], 30))]);
        let this = Self { portward: front.start(), good, revoked, _pbx: pbx, _web: web };
        this.is_as_before("at the start");
        this
    }

    fn front(rules: &str) -> Setup {
        let front = front(rules)
            .set("upstream.verify", "\"ca\"")
            .set("upstream.trust", "\"inside\"")
            .set("upstream.certificate", "\"rp/rp.crt\"");
        TestCa::shared().write(&front.dir().join("inside/ca.crt"));
        TestCa::shared().issue(&["portward.dvl-ckl2.net"]).write(&front.dir().join("rp"), "rp");
        front
    }

    /// A file or folder.
    fn at(&self, name: &str) -> PathBuf {
        self.portward.dir().join(name)
    }

    fn register(&self, chain: &Chain, host: &str) -> Option<String> {
        let mut client = by_tls(&self.portward, Spoken::Sip, &chain.client(&rustls::version::TLS13));
        Spoken::Sip.register(&mut client, "ckl", host)
    }

    /// Clients get TLS, targets are verified, telephones with valid certificates are proven, and revoked ones are not.
    fn is_as_before(&self, when: &str) {
        let mut client = Wire::tls(self.portward.https, HOST);
        assert_eq!(client.get(HOST, "/").text(), "here", "{when}");
        for (number, host) in [HOST, OWN].into_iter().enumerate() {
            assert_eq!(self.register(&self.good[number], host).as_deref(), Some("TLS"), "{when}: {host}");
            assert_eq!(
                self.register(&self.revoked[number], host).as_deref(),
                Some("plain"),
                "{when}: {host}"
            );
        }
    }

    fn reload(&self, answer: &[&str]) {
        let mark = self.portward.mark();
        self.portward.hang_up();
        self.portward.line_after(mark, answer);
    }
}

fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
}

#[test]
fn item_29_folders_that_are_moved_away_replace_nothing() {
    within(110, || {
        let all = All::start();
        let mark = all.portward.mark();
        for name in FOLDERS {
            fs::rename(all.at(name), all.at(&format!("{name}.away"))).unwrap();
        }
        for name in FOLDERS {
            let place = format!("/{name}");
            eventually(&format!("{name} is missed"), || {
                let lines = all.portward.lines_since(mark);
                lines.windows(2).any(|two| two[0].contains("stays in use") && two[1].contains(&place))
            });
        }
        all.is_as_before("moved away");
        // A reload is refused until they are back, each of them by itself.
        all.reload(&["reload refused: everything stays as it was"]);
        all.is_as_before("after a refused reload");
        for name in FOLDERS {
            fs::rename(all.at(&format!("{name}.away")), all.at(name)).unwrap();
            let expected = if name == "rp" { "reloaded: 2 hosts" } else { "reload refused" };
            all.reload(&[expected]);
            all.is_as_before(name);
        }
    });
}

#[test]
fn item_29_folders_that_are_empty_replace_nothing_until_a_reload() {
    within(110, || {
        let all = All::start();
        let mark = all.portward.mark();
        for name in ["certs", "inside", "trust", "tenant"] {
            empty(&all.at(name));
        }
        for name in ["certs", "inside", "trust", "tenant"] {
            let place = format!("/{name}");
            eventually(&format!("{name} is missed"), || {
                let lines = all.portward.lines_since(mark);
                lines
                    .windows(2)
                    .any(|two| two[0].contains("nothing is here any more") && two[1].contains(&place))
            });
        }
        all.is_as_before("empty");
        // `check` adds the running daemon's warnings to those about the files.
        let config = all.portward.config().display().to_string();
        let check = command(20, all.portward.dir(), &["check", "--config", &config]);
        assert!(check.code == 0 && check.all().contains("stays in use"), "{check:?}");
        // An intended absence is obeyed.
        let mark = all.portward.mark();
        all.reload(&["reloaded: 2 hosts"]);
        for said in
            ["what was in use until now is given up", "is not revoked any more", "no longer listening on"]
        {
            all.portward.line_after(mark, &[said]);
        }
        let refused = || std::net::TcpStream::connect(("127.0.0.1", all.portward.https)).is_err();
        eventually("the TLS port is closed", refused);
    });
}

/// Each file by itself, in every way in which a file can be missing.
#[test]
fn item_29_single_files_that_are_gone_replace_nothing() {
    within(110, || {
        let all = All::start();
        type Harm = fn(&Path);
        let remove: Harm = |path| fs::remove_file(path).unwrap();
        let truncate: Harm = |path| fs::write(path, "").unwrap();
        let halve: Harm = |path| {
            let whole = fs::read(path).unwrap();
            fs::write(path, &whole[..whole.len() / 2]).unwrap();
        };
        let dangle: Harm = |path| {
            fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("/nonexistent/file", path).unwrap();
        };
        let fifo: Harm = |path| {
            fs::remove_file(path).unwrap();
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        };
        // Each file goes in another way than in the round before.
        let files = [
            "trust/t.crl",
            "trust/telephones.crt",
            "tenant/t.crl",
            "tenant/ca.crt",
            "certs/server.key",
            "certs/server.crt",
            "inside/ca.crt",
            "rp/rp.crt",
            "rp/rp.key",
        ];
        let harms = [remove, truncate, halve, dangle, fifo];
        for round in 0..2 {
            let kept: Vec<_> = files.iter().map(|name| fs::read(all.at(name)).unwrap()).collect();
            let mark = all.portward.mark();
            for (number, name) in files.iter().enumerate() {
                harms[(number + round * 2) % harms.len()](&all.at(name));
            }
            all.portward.line_after(mark, &["the certificates, keys and trust in use stay as they are"]);
            all.is_as_before(&format!("round {round}"));
            for (name, kept) in files.iter().zip(kept) {
                let _ = fs::remove_file(all.at(name));
                fs::write(all.at(name), kept).unwrap();
            }
            let mark = all.portward.mark();
            all.portward.line_after(mark, &["certificates, keys and trust have changed and were read again"]);
            all.is_as_before(&format!("after round {round}"));
        }
    });
}

/// Only a CRL is gone. It stays in force until a reload, and its certificates stay revoked.
#[test]
fn item_29_a_crl_that_is_gone_revokes_on() {
    within(110, || {
        let all = All::start();
        // The removed file had the CA and the CRL. Another file has only the CA.
        let trust = all.at("trust/both.pem");
        let crl = fs::read_to_string(all.at("trust/t.crl")).unwrap();
        let mark = all.portward.mark();
        fs::write(&trust, format!("{}{crl}", Authority::trusted().pem)).unwrap();
        fs::remove_file(all.at("trust/t.crl")).unwrap();
        fs::remove_file(all.at("tenant/t.crl")).unwrap();
        all.portward.line_after(mark, &["what was read from it stays in use"]);
        all.is_as_before("the files are gone");
        all.reload(&["reloaded: 2 hosts"]);
        assert_eq!(all.register(&all.revoked[1], OWN).as_deref(), Some("TLS"), "a reload is obeyed");
        assert_eq!(all.register(&all.revoked[0], HOST).as_deref(), Some("plain"));
        let mark = all.portward.mark();
        fs::write(&trust, &Authority::trusted().pem).unwrap();
        all.portward.line_after(mark, &["the CRL of CN=", "is gone: whom it revoked stays revoked"]);
        assert_eq!(all.register(&all.revoked[0], HOST).as_deref(), Some("plain"));
        // Another CRL replaces it, so the first one is no longer in force.
        let mark = all.portward.mark();
        write(&all.at("trust"), &[("new.crl", &Authority::trusted().revoke(&[&all.good[0]], 30))]);
        all.portward.line_after(mark, &["certificates, keys and trust have changed and were read again"]);
        eventually("the new CRL is in force", || {
            all.register(&all.good[0], HOST).as_deref() == Some("plain")
                && all.register(&all.revoked[0], HOST).as_deref() == Some("TLS")
        });
    });
}

/// A certificate that replaces another one under a new file name is shown, although the old one is kept.
#[test]
fn item_29_a_new_name_is_a_new_certificate() {
    within(60, || {
        let all = All::start();
        let new = TestCa::shared().issue(&[HOST]);
        let certs = all.at("certs");
        empty(&certs);
        new.write(&certs, "zz-new");
        eventually("the new one is shown", || {
            Wire::tls(all.portward.https, HOST).server_certificate() == new.der.to_vec()
        });
    });
}
