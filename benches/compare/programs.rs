//! The programs that Portward is compared with: where they are, and their versions.

use std::path::{Path, PathBuf};

use crate::Failure;
use crate::process::output;

/// The peers. They are those of the machine, or those in a folder that `scripts/peers` has made.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) haproxy: String,
    pub(crate) nginx: String,
    /// nginx's module for streams of TCP, if there is one.
    pub(crate) stream: Option<PathBuf>,
}

impl Programs {
    /// The programs of the machine.
    pub(crate) fn of_machine() -> Self {
        Self::new("haproxy".to_owned(), "nginx".to_owned(), Path::new("/usr/lib/nginx/modules"))
    }

    /// The programs in a folder.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        let program = |name: &str| folder.join(name).to_string_lossy().into_owned();
        Self::new(program("haproxy"), program("nginx"), folder)
    }

    fn new(haproxy: String, nginx: String, modules: &Path) -> Self {
        let stream = Some(modules.join("ngx_stream_module.so")).filter(|module| module.exists());
        Self { haproxy, nginx, stream }
    }

    /// Every needed program must be there.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let peers = [self.haproxy.as_str(), &self.nginx, "nginx", "kamailio"].map(|program| [program, "-v"]);
        for command in peers.iter().chain(&[["taskset", "-V"], ["setpriv", "-V"]]) {
            if output(command).is_none() {
                return Err(format!("{} is not installed; scripts/compare installs it", command[0]).into());
            }
        }
        Ok(())
    }

    /// The version of each, with that of the OpenSSL that it uses.
    pub(crate) fn versions(&self) -> String {
        format!(
            "HAProxy {} (OpenSSL {}), {}, Kamailio {} (OpenSSL {}); targets: {}",
            word(&[&self.haproxy, "-v"], "HAProxy version "),
            word(&[&self.haproxy, "-vv"], "version : OpenSSL "),
            nginx(&self.nginx),
            word(&["kamailio", "-v"], "version: kamailio "),
            // Kamailio does not tell it. It uses the machine's library.
            word(&["openssl", "version"], "OpenSSL "),
            nginx("nginx"),
        )
    }
}

fn nginx(program: &str) -> String {
    format!("nginx {} (OpenSSL {})", word(&[program, "-v"], "nginx/"), word(&[program, "-V"], "OpenSSL "))
}

/// The word that follows the last `before` in what a command prints. The last one, because programs tell first with which
/// library they were built, and then with which one they run.
fn word(command: &[&str], before: &str) -> String {
    let text = output(command).unwrap_or_default();
    let word = text.rsplit_once(before).and_then(|(_, rest)| rest.split_whitespace().next());
    word.unwrap_or("?").to_owned()
}
