//! A real telephone of PJSIP, the library that Asterisk's `chan_pjsip` is made of as well (the PyPI package pjsua2-python).

use std::process::Command;

use super::{Child, python};

/// A running telephone.
pub struct Pjsip {
    child: Child,
}

/// Where it registers.
#[derive(Clone, Copy)]
pub struct Proxy<'a> {
    /// The domain of its address.
    pub domain: &'a str,
    /// The outbound proxy's port on 127.0.0.1.
    pub port: u16,
    /// `tcp` or `tls`.
    pub transport: &'a str,
}

impl Pjsip {
    /// Starts one that takes every call, and hangs up each second one when it is up.
    pub fn answering(user: &str, password: &str, proxy: Proxy<'_>) -> Self {
        Self::start(user, password, proxy, &["answer"])
    }

    /// Starts one that registers and calls somebody. It hangs up when the call is up, or waits until the other side does.
    pub fn calling(user: &str, password: &str, proxy: Proxy<'_>, uri: &str, hangs_up: bool) -> Self {
        Self::start(user, password, proxy, &[if hangs_up { "call" } else { "wait" }, uri])
    }

    fn start(user: &str, password: &str, proxy: Proxy<'_>, wanted: &[&str]) -> Self {
        let Proxy { domain, port, transport } = proxy;
        let python = python();
        let has_it = Command::new(&python).args(["-c", "import pjsua2"]).output().unwrap();
        assert!(
            has_it.status.success(),
            "pjsua2 is missing. The package has builds for x86-64 and Python 3.8 to 3.12 alone: \
             make target/python with one of them"
        );
        // PJSIP writes its own log on standard output.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" >&2"]).arg(python).arg("tests/real/harness/pjsip.py");
        command.args([user, domain, password, &port.to_string(), transport]).args(wanted);
        Self { child: Child::start(&mut command) }
    }

    /// Waits until it is registered.
    pub fn registered(&self) {
        self.child.line_after(0, &["REGISTERED 200"]);
    }

    /// Waits for a line that says this, after a mark.
    pub fn says(&self, mark: usize, text: &str) {
        self.child.line_after(mark, &[text]);
    }

    /// A mark for [`Self::says`].
    pub fn mark(&self) -> usize {
        self.child.mark()
    }
}
