//! The instructions of the whole program's work, counted by callgrind.
//!
//! The program does the same work N and 2N times, each time from its start to its end. The difference is the cost of N
//! times, without start and end. Clients and targets take one step at a time ([`Steps`]), so that the numbers hardly
//! depend on the machine. Only the program's own instructions count, not the kernel's, and not those of a few functions
//! whose work differs from run to run (`callgrind.rs`).

use std::fs;
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::callgrind;
use crate::load::Way;
use crate::origin::HOSTS;
use crate::peers::Setup;
use crate::programs::Programs;
use crate::stand_in;
use crate::steps::Steps;
use crate::works::{
    Front, Site, fresh, h323_new, kept, ldap_new, silent, sip_kept, sip_new, sip_ping, wss_kept, wss_new,
};
use crate::wss::By;

/// A row of the table.
pub(crate) struct CountedRow {
    /// The key for `--only`.
    pub(crate) key: &'static str,
    /// The description of the work.
    pub(crate) work: &'static str,
    front: Front,
    /// Both sides use TLS.
    tls: bool,
    /// How often the work is done in the shorter run.
    count: usize,
    run: for<'a> fn(&'a Site, usize) -> Running<'a>,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// All rows.
pub(crate) const COUNTED: &[CountedRow] = &[
    CountedRow {
        key: "kept-plain",
        work: "HTTP request, kept alive, plain → plain",
        front: Front::Http,
        tls: false,
        count: 400,
        run: |site, count| Box::pin(kept(site, count)),
    },
    CountedRow {
        key: "kept-tls",
        work: "HTTPS → HTTPS request, kept alive",
        front: Front::Http,
        tls: true,
        count: 400,
        run: |site, count| Box::pin(kept(site, count)),
    },
    CountedRow {
        key: "new-tcp",
        work: "new TCP connection + HTTP request",
        front: Front::Http,
        tls: false,
        count: 160,
        run: |site, count| Box::pin(fresh(site, count)),
    },
    CountedRow {
        key: "new-tls",
        work: "new TLS 1.3 connection + HTTPS request, full handshake",
        front: Front::Http,
        tls: true,
        count: 50,
        run: |site, count| Box::pin(fresh(site, count)),
    },
    CountedRow {
        key: "silent",
        work: "TCP connection that comes, says nothing and goes",
        front: Front::Http,
        tls: false,
        count: 160,
        run: |site, count| Box::pin(silent(site, count)),
    },
    CountedRow {
        key: "sip-kept",
        work: "SIP REGISTER on a connection that is open, plain → plain",
        front: Front::Sip,
        tls: false,
        count: 200,
        run: |site, count| Box::pin(sip_kept(site, count)),
    },
    CountedRow {
        key: "sip-ping",
        work: "SIP keep-alive on a connection that is open, TLS → TLS",
        front: Front::Sip,
        tls: true,
        count: 200,
        run: |site, count| Box::pin(sip_ping(site, count)),
    },
    CountedRow {
        key: "sip-new",
        work: "SIP REGISTER on a new connection, plain → plain",
        front: Front::Sip,
        tls: false,
        count: 160,
        run: |site, count| Box::pin(sip_new(site, count)),
    },
    CountedRow {
        key: "sip-new-tls",
        work: "SIP REGISTER on a new connection, TLS → TLS (two handshakes)",
        front: Front::Sip,
        tls: true,
        count: 40,
        run: |site, count| Box::pin(sip_new(site, count)),
    },
    CountedRow {
        key: "sips-kept",
        work: "SIP REGISTER on a connection that is open, TLS → plain",
        front: Front::Sips,
        tls: true,
        count: 200,
        run: |site, count| Box::pin(wss_kept(site, count, By::Tls)),
    },
    CountedRow {
        key: "wss-kept",
        work: "the same by WebSocket",
        front: Front::Wss,
        tls: true,
        count: 200,
        run: |site, count| Box::pin(wss_kept(site, count, By::WebSocket)),
    },
    CountedRow {
        key: "sips-new",
        work: "SIP REGISTER on a new connection, TLS → plain",
        front: Front::Sips,
        tls: true,
        count: 80,
        run: |site, count| Box::pin(wss_new(site, count, By::Tls)),
    },
    CountedRow {
        key: "wss-new",
        work: "the same by WebSocket",
        front: Front::Wss,
        tls: true,
        count: 80,
        run: |site, count| Box::pin(wss_new(site, count, By::WebSocket)),
    },
    CountedRow {
        key: "ldap",
        work: "LDAP bind and search on a new connection, plain → plain",
        front: Front::Ldap,
        tls: false,
        count: 160,
        run: |site, count| Box::pin(ldap_new(site, count)),
    },
    CountedRow {
        key: "h323",
        work: "H.323 registration on a new connection, plain → plain",
        front: Front::H323,
        tls: false,
        count: 160,
        run: |site, count| Box::pin(h323_new(site, count)),
    },
];

impl CountedRow {
    /// The instructions of doing the work once.
    pub(crate) fn measure(&self, program: &str, core: Option<&str>, folder: &Path) -> Result<f64, Failure> {
        let warm_up = self.count / 5;
        let (long, took) = self.total(warm_up + 2 * self.count, Duration::ZERO, program, core, folder)?;
        // Both runs last equally long, so that periodic work of the program is the same in both.
        let (short, _) = self.total(warm_up + self.count, took, program, core, folder)?;
        Ok((long as f64 - short as f64) / self.count as f64)
    }

    /// The instructions of doing the work that often, with a start and an end, and how long the program ran. It runs at
    /// least that long.
    fn total(
        &self,
        count: usize,
        least: Duration,
        program: &str,
        core: Option<&str>,
        folder: &Path,
    ) -> Result<(u64, Duration), Failure> {
        let here = tempfile::Builder::new().prefix("run-").tempdir_in(folder)?;
        for name in ["all.crt", "all.key", "all.pem"] {
            fs::copy(folder.join(name), here.path().join(name))?;
        }
        // No peer runs.
        let peers = &Programs::of_machine();
        let place =
            Setup { folder: here.path(), cores: core, workers: 1, portward: program, peers, counted: true };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let steps = Steps::default();
        let target =
            runtime.block_on(stand_in::spawn(here.path(), Some(steps.clone()), self.front.target()?))?;
        let (ports, process, counted) = self.front.start(target, place)?;
        let begun = Instant::now();
        steps.follow(process.id());
        let way = if self.tls { Way::tls(HOSTS[0], false)? } else { Way::Plain };
        let site = Site { port: if self.tls { ports.tls } else { ports.plain }, way, steps };
        runtime.block_on(async {
            site.steps.settle().await?;
            (self.run)(&site, count).await?;
            tokio::time::sleep(least.saturating_sub(begun.elapsed())).await;
            site.steps.settle().await
        })?;
        let took = begun.elapsed();
        process.end()?;
        Ok((callgrind::read(&here.path().join(counted))?, took))
    }
}
