//! A real baresip as a phone, told what to do over its control port (netstrings with JSON).

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::kamailio::PASSWORD;
use super::{Child, PATIENCE, TestCa, eventually, free_port, program};

/// A running phone.
pub struct Baresip {
    control: Mutex<Control>,
    user: String,
    child: Child,
    /// The folder of its certificate.
    certificate: Option<TempDir>,
    _dir: TempDir,
}

struct Control {
    tcp: TcpStream,
    read: Vec<u8>,
    events: Vec<Value>,
}

impl Baresip {
    /// Starts a phone of `user@domain`. Its outbound proxy is a port on 127.0.0.1, by `tcp` or `tls`.
    pub fn start(user: &str, domain: &str, proxy: u16, transport: &str) -> Self {
        Self::run(user, domain, (proxy, transport), "", "")
    }

    /// The same by TLS, with a certificate and its key (PEM).
    pub fn with_certificate(user: &str, domain: &str, proxy: u16, pem: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("phone.pem");
        fs::write(&file, pem).unwrap();
        let more = format!("sip_certificate {}\n", file.display());
        let mut phone = Self::run(user, domain, (proxy, "tls"), &more, "");
        phone.certificate = Some(dir);
        phone
    }

    /// The same by TLS, with the media of browsers: ICE, DTLS-SRTP, RTP and RTCP on one port. It plays a tone.
    pub fn for_browsers(user: &str, domain: &str, proxy: u16) -> Self {
        let more =
            "module dtls_srtp.so\nmodule ice.so\nmodule ausine.so\naudio_source ausine,440\nrtcp_mux yes\n";
        Self::run(user, domain, (proxy, "tls"), more, ";mediaenc=dtls_srtp;medianat=ice")
    }

    /// `more` are lines of its configuration, `account` are parameters of its account.
    fn run(user: &str, domain: &str, (proxy, transport): (u16, &str), more: &str, account: &str) -> Self {
        let baresip = program("baresip", "baresip-core");
        let dir = TempDir::new().unwrap();
        TestCa::shared().write(&dir.path().join("ca.crt"));
        for _ in 0..5 {
            let port = free_port();
            let config = config(port, &dir.path().join("ca.crt").display().to_string());
            fs::write(dir.path().join("config"), config + more).unwrap();
            let account = format!(
                "<sip:{user}@{domain};transport={transport}>;auth_user={user};auth_pass={PASSWORD};\
                 outbound=\"sip:127.0.0.1:{proxy};transport={transport}\";regint=600;answermode=manual;audio_codecs=PCMA{account}\n"
            );
            fs::write(dir.path().join("accounts"), account).unwrap();
            fs::write(dir.path().join("contacts"), "").unwrap();
            let mut child = Child::start(
                // Its log goes to standard output.
                Command::new("sh")
                    .args(["-c", "exec \"$0\" \"$@\" >&2"])
                    .arg(&baresip)
                    .arg("-f")
                    .arg(dir.path())
                    .arg("-v"),
            );
            let mut control = None;
            let mut ended = None;
            eventually("baresip's control port is open", || {
                ended = child.ended();
                control = TcpStream::connect(("127.0.0.1", port)).ok();
                ended.is_some() || control.is_some()
            });
            if let (Some(tcp), None) = (control, ended) {
                tcp.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                let control = Mutex::new(Control { tcp, read: Vec::new(), events: Vec::new() });
                return Self { control, user: user.to_owned(), child, certificate: None, _dir: dir };
            }
        }
        panic!("baresip does not start");
    }

    /// Waits until it has registered. The event may have come before we listened, so the phone is asked as well.
    pub fn registered(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.command("reginfo", "");
            let said = self.wait_for(Duration::from_millis(500), |said| {
                said["type"] == "REGISTER_OK" || said["data"].as_str().is_some_and(|data| data.contains("OK"))
            });
            if said.is_some() {
                return;
            }
            assert!(Instant::now() < deadline, "{} has not registered:\n{}", self.user, self.history());
        }
    }

    /// Calls somebody.
    pub fn dial(&self, uri: &str) {
        self.command("dial", uri);
    }

    /// Takes the call that rings.
    pub fn answer(&self) {
        self.event("CALL_INCOMING");
        self.command("accept", "");
    }

    /// Hangs up.
    pub fn hang_up(&self) {
        self.command("hangup", "");
    }

    /// Waits for an event of that type.
    pub fn event(&self, kind: &str) {
        let found = self.wait_for(PATIENCE, |said| said["type"] == kind);
        assert!(found.is_some(), "{} saw no {kind}:\n{}", self.user, self.history());
    }

    /// Forgets the events so far.
    pub fn forget(&self) {
        self.control.lock().unwrap().events.clear();
    }

    fn command(&self, command: &str, params: &str) {
        let text = json!({ "command": command, "params": params, "token": command }).to_string();
        let mut control = self.control.lock().unwrap();
        write!(control.tcp, "{}:{text},", text.len()).unwrap();
    }

    fn wait_for(&self, patience: Duration, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let deadline = Instant::now() + patience;
        let mut control = self.control.lock().unwrap();
        let mut seen = 0;
        loop {
            let found = control.events.iter().skip(seen).find(|said| wanted(said)).cloned();
            if found.is_some() {
                return found;
            }
            seen = control.events.len();
            if Instant::now() >= deadline {
                return None;
            }
            control.fill();
        }
    }

    fn history(&self) -> String {
        let events =
            self.control.lock().unwrap().events.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        format!("{events}\n--- baresip wrote:\n{}", self.child.lines().join("\n"))
    }
}

impl Control {
    /// Reads what there is, and cuts it into netstrings.
    fn fill(&mut self) {
        let mut space = [0; 4096];
        if let Ok(count) = self.tcp.read(&mut space) {
            self.read.extend_from_slice(&space[..count]);
        }
        while let Some(colon) = self.read.iter().position(|byte| *byte == b':') {
            let length: usize = std::str::from_utf8(&self.read[..colon]).unwrap().parse().unwrap();
            if self.read.len() < colon + 1 + length + 1 {
                return;
            }
            let text: Vec<u8> =
                self.read.drain(..colon + 1 + length + 1).skip(colon + 1).take(length).collect();
            self.events.push(serde_json::from_slice(&text).unwrap_or(Value::Null));
        }
    }
}

fn config(port: u16, ca: &str) -> String {
    format!(
        "poll_method epoll\nsip_listen 127.0.0.1:0\nsip_cafile {ca}\ncall_local_timeout 60\ncall_max_calls 4\n\
         audio_player aubridge,out\naudio_source aubridge,out\naudio_alert aubridge,alert\nausrc_srate 8000\nauplay_srate 8000\n\
         audio_level no\nrtp_ports 20000-40000\nnet_interface 127.0.0.1\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\n\
         module aubridge.so\nmodule_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n\
         ctrl_tcp_listen 127.0.0.1:{port}\n"
    )
}
