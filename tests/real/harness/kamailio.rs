//! A real Kamailio as a PBX's registrar: digest authentication, and calls to phones by the connections on which they
//! registered.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Child, TestCa, eventually, free_port, program};

/// The password of all users.
pub const PASSWORD: &str = "secret";

/// A running Kamailio.
pub struct Kamailio {
    /// Its plain port.
    pub plain: u16,
    /// Its TLS port.
    pub tls: u16,
    child: Child,
    dir: TempDir,
}

impl Kamailio {
    /// Starts one for a domain.
    pub fn start(domain: &str) -> Self {
        Self::advertising(domain, None)
    }

    /// Starts one that names itself by Portward's outside ports, plain and TLS, when it records its route. An
    /// administrator who leaves `sip.public_address` empty configures a PBX so.
    pub fn advertising(domain: &str, outside: Option<(u16, u16)>) -> Self {
        Self::run(domain, outside, false, "")
    }

    /// Starts one that asks clients of its plain port for no password, because Portward has asked.
    pub fn trusting(domain: &str) -> Self {
        Self::run(domain, None, false, "proto == TLS && ")
    }

    /// Starts one whose TLS port demands a certificate of the shared test CA. It logs the certificate's name.
    pub fn demanding(domain: &str) -> Self {
        Self::run(domain, None, true, "")
    }

    /// Starts one that itself demands ephemeral credentials, by its module `auth_ephemeral`, and answers 200 to every
    /// valid one.
    pub fn ephemeral(domain: &str, secret: &str) -> Self {
        Self::run_with(domain, |ports, dir, modules| ephemeral(domain, secret, ports, (dir, modules)))
    }

    /// Starts one with a configuration from elsewhere: of two ports, of the folder with `server.crt` and `server.key`, and of the
    /// folder of the modules.
    pub fn of_page(domain: &str, config: impl Fn([u16; 2], &Path, &str) -> String) -> Self {
        Self::run_with(domain, config)
    }

    /// `asked` is the condition under which it asks for a password.
    fn run(domain: &str, outside: Option<(u16, u16)>, demands: bool, asked: &str) -> Self {
        Self::run_with(domain, |ports, dir, modules| {
            config(domain, ports, outside, demands, dir, modules).replace("ASKED ", asked)
        })
    }

    fn run_with(domain: &str, config: impl Fn([u16; 2], &Path, &str) -> String) -> Self {
        let kamailio = program("kamailio", "kamailio");
        let dir = TempDir::new().unwrap();
        TestCa::shared().issue(&[domain]).write(dir.path(), "server");
        TestCa::shared().write(&dir.path().join("ca.crt"));
        let modules = module_folder("tls", "kamailio-tls-modules");
        for _ in 0..5 {
            let (plain, tls) = (free_port(), free_port());
            let file = dir.path().join("kamailio.cfg");
            fs::write(&file, config([plain, tls], dir.path(), &modules)).unwrap();
            let mut child = launch(&kamailio, dir.path());
            if listens(&mut child, [plain, tls]) {
                return Self { plain, tls, child, dir };
            }
            let lines = child.lines().join("\n");
            assert!(lines.contains("Address already in use"), "kamailio ended:\n{lines}");
        }
        panic!("no free port for kamailio");
    }

    /// Stops it: its connections end, and its ports are closed.
    pub fn stop(&mut self) {
        self.child.signal(Signal::TERM);
        self.child.wait();
    }

    /// Starts it again on the same ports. Its memory is empty.
    pub fn go_on(&mut self) {
        self.child = launch(&program("kamailio", "kamailio"), self.dir.path());
        assert!(listens(&mut self.child, [self.plain, self.tls]), "{:?}", self.child.lines());
    }

    /// Waits until its log has reported this many saved registrations. More of them fail the test. A phone may have its
    /// answer before the line of the log is read.
    pub fn has_registered(&self, wanted: usize) {
        let saved = || self.child.lines().iter().filter(|line| line.contains("SAVED ")).count();
        eventually("the registrations are saved", || saved() >= wanted);
        assert_eq!(saved(), wanted);
    }

    /// Waits for a line of its log.
    pub fn line(&self, parts: &[&str]) -> String {
        self.child.line_after(0, parts)
    }
}

fn launch(kamailio: &Path, dir: &Path) -> Child {
    let mut command = Command::new(kamailio);
    command.arg("-f").arg(dir.join("kamailio.cfg")).args(["-DD", "-E", "-m", "32", "-M", "8", "-Y"]).arg(dir);
    Child::start(command.arg("-w").arg(dir))
}

/// Waits until it listens on these ports. `false`: it has ended.
fn listens(child: &mut Child, ports: [u16; 2]) -> bool {
    let mut ended = None;
    eventually("kamailio listens", || {
        ended = child.ended();
        let open = |port: &u16| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok();
        ended.is_some() || ports.iter().all(open)
    });
    ended.is_none()
}

/// The folder in which Debian keeps this module and all others.
pub fn module_folder(module: &str, package: &str) -> String {
    let folders =
        fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path().join("kamailio/modules"));
    let found = folders.into_iter().find(|folder| folder.join(format!("{module}.so")).exists());
    let found = found.unwrap_or_else(|| {
        panic!("kamailio's {module}.so is missing: install the Debian package {package}, or run scripts/test")
    });
    found.to_string_lossy().into_owned()
}

fn config(
    domain: &str,
    [plain, tls]: [u16; 2],
    outside: Option<(u16, u16)>,
    demands: bool,
    dir: &Path,
    modules: &str,
) -> String {
    let dir = dir.display();
    let (demanded, peer) = match demands {
        true => (
            format!(
                "modparam(\"tls\", \"ca_list\", \"{dir}/ca.crt\")\nmodparam(\"tls\", \"verify_certificate\", 1)\n\
                 modparam(\"tls\", \"require_certificate\", 1)\n"
            ),
            "if (proto == TLS) { xlog(\"L_ERR\", \"PEER $tls_peer_subject_cn\\n\"); }",
        ),
        false => (String::new(), ""),
    };
    let advertise =
        |port: Option<u16>| port.map_or_else(String::new, |port| format!(" advertise 127.0.0.1:{port}"));
    let aliases = outside.map_or_else(String::new, |(plain, tls)| {
        format!("alias=\"127.0.0.1:{plain}\"\nalias=\"127.0.0.1:{tls}\"\n")
    });
    let (plain_outside, tls_outside) =
        (advertise(outside.map(|(plain, _)| plain)), advertise(outside.map(|(_, tls)| tls)));
    format!(
        r#"debug=1
log_stderror=yes
children=1
tcp_children=2
enable_tls=yes
auto_aliases=no
dns=no
rev_dns=no
tcp_connection_lifetime=3600
tcp_keepalive=no
alias="{domain}"
{aliases}listen=tcp:127.0.0.1:{plain}{plain_outside}
listen=tls:127.0.0.1:{tls}{tls_outside}
mpath="{modules}"
loadmodule "tls.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "xlog.so"
loadmodule "auth.so"
loadmodule "nathelper.so"
modparam("tls", "private_key", "{dir}/server.key")
modparam("tls", "certificate", "{dir}/server.crt")
modparam("tls", "tls_method", "TLSv1.2+")
{demanded}modparam("usrloc", "db_mode", 0)
modparam("nathelper", "received_avp", "$avp(RECEIVED)")
modparam("registrar", "received_avp", "$avp(RECEIVED)")

request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    force_rport();
    if (is_method("INVITE|SUBSCRIBE|UPDATE")) {{ set_contact_alias(); }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
    if (has_totag()) {{
        if (loose_route()) {{
            handle_ruri_alias();
            set_forward_no_connect();
            xlog("L_ERR", "IN DIALOG $rm\n");
            t_on_reply("ALIAS");
            t_relay();
        }} else if (is_method("ACK")) {{
            if (t_check_trans()) {{ t_relay(); }}
        }} else {{ sl_send_reply("404", "Not Here"); }}
        exit;
    }}
    if (is_method("REGISTER")) {{
        {peer}
        if (ASKED !pv_www_authenticate("$fd", "{PASSWORD}", "0")) {{ www_challenge("$fd", "0"); exit; }}
        fix_nated_register();
        if (save("location")) {{ xlog("L_ERR", "SAVED $fU over $proto\n"); }}
        exit;
    }}
    if (is_method("OPTIONS")) {{ sl_send_reply("200", "Here"); exit; }}
    if (is_method("INVITE")) {{
        if (ASKED !pv_proxy_authenticate("$fd", "{PASSWORD}", "0")) {{ proxy_challenge("$fd", "0"); exit; }}
        if (ASKED has_credentials("$fd")) {{ consume_credentials(); }}
        record_route();
        if (!lookup("location")) {{ sl_send_reply("404", "Not Here"); exit; }}
        set_forward_no_connect();
        t_on_reply("ALIAS");
        t_relay();
        exit;
    }}
    sl_send_reply("405", "Method Not Allowed");
}}

onreply_route[ALIAS] {{
    xlog("L_ERR", "REPLY $rs $rm\n");
    set_contact_alias();
}}
"#
    )
}

fn ephemeral(domain: &str, secret: &str, [plain, tls]: [u16; 2], (dir, modules): (&Path, &str)) -> String {
    let dir = dir.display();
    format!(
        r#"debug=1
log_stderror=yes
children=1
tcp_children=2
enable_tls=yes
auto_aliases=no
dns=no
rev_dns=no
alias="{domain}"
listen=tcp:127.0.0.1:{plain}
listen=tls:127.0.0.1:{tls}
mpath="{modules}"
loadmodule "tls.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "auth.so"
loadmodule "auth_ephemeral.so"
modparam("tls", "private_key", "{dir}/server.key")
modparam("tls", "certificate", "{dir}/server.crt")
modparam("auth_ephemeral", "secret", "{secret}")

request_route {{
    if (!autheph_www("{domain}")) {{ www_challenge("{domain}", "1"); exit; }}
    sl_send_reply("200", "Right");
}}
"#
    )
}
