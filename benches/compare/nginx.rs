//! How an nginx is started here, as a target or as a peer.

use std::path::Path;

use crate::Failure;
use crate::process::{Process, write};

/// An nginx: the program, the folder of its files, and the name with which they begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nginx<'a> {
    pub(crate) program: &'a str,
    pub(crate) folder: &'a Path,
    pub(crate) name: &'a str,
}

impl Nginx<'_> {
    /// The beginning of every configuration: what stands outside of `http` and `stream`.
    pub(crate) fn head(&self, workers: u32) -> String {
        // As root it would change to a user who cannot read the folder.
        let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
        format!(
            "daemon off;\nworker_processes {workers};\n{user}pid {}/{}.pid;\nerror_log stderr error;\n\
             events {{ worker_connections 8192; }}\n",
            self.folder.display(),
            self.name
        )
    }

    /// The beginning of a block `http`. The certificate is in the folder `shared`.
    pub(crate) fn http(&self, shared: &Path) -> String {
        let (folder, name) = (self.folder.display(), self.name);
        let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {folder}/{name}-{kind};\n"))
            .concat();
        format!(
            "http {{\n{places}access_log off;\ndefault_type text/plain;\nsendfile on;\ntcp_nopush on;\n\
             keepalive_timeout 300s;\nkeepalive_requests 1000000000;\n{}",
            tls(shared)
        )
    }

    /// Starts it with the configuration `text`.
    pub(crate) fn start(&self, text: &str, cores: Option<&str>, ports: &[u16]) -> Result<Process, Failure> {
        let file = write(self.folder, &format!("{}.conf", self.name), text)?;
        let prefix = self.folder.to_string_lossy();
        let command = [self.program, "-e", "stderr", "-p", &prefix, "-c", &file];
        Process::start(&command, cores, ports, self.folder.join(format!("{}.log", self.name)))
    }
}

/// TLS 1.3 with the common certificate, for a block `http` or `stream`.
pub(crate) fn tls(shared: &Path) -> String {
    let shared = shared.display();
    format!(
        "ssl_certificate {shared}/all.crt;\nssl_certificate_key {shared}/all.key;\n\
         ssl_protocols TLSv1.3;\nssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n"
    )
}
