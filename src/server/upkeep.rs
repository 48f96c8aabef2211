//! Background work beside the connections: checks of targets, certificates that change or expire, the blacklist's file,
//! the watchdog, and summaries.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::Server;
use super::side_thread::SideThread;
use crate::guard::{Change, Origin};
use crate::log::Level;
use crate::state::Shared;
use crate::stats::TICK;
use crate::tls::{FilesState, Reminder};
use crate::upstream::{Basis, Checks};

/// How often refused addresses are summed up in the log.
const SUMMARY: Duration = Duration::from_secs(60);
/// How often Portward looks at the files of certificates, keys and trust.
const GLANCE: Duration = Duration::from_secs(2);
/// How long after a change of the rules the checks follow it.
const CALM: Duration = Duration::from_millis(200);
/// How often the state is written, if it has changed.
const KEEP: Duration = Duration::from_secs(5);

impl Server {
    /// Does the background work until it is dropped: DNS, certificates that change or expire, old failures, summaries.
    pub async fn maintain(&self) {
        let _names = SideThread::start("names", self.shared.resolver.clone().run())
            .inspect_err(|error| self.shared.note(Level::Error, &format!("names do not resolve: {error}")));
        let housekeeping = async {
            let mut reminder = Reminder::default();
            // Certificates that are near their end now were reported when they were read.
            let _ = reminder.due(self.shared.snapshot.load().certificates(), OffsetDateTime::now_utc());
            loop {
                tokio::time::sleep(SUMMARY).await;
                self.shared.guard.sweep();
                let due = reminder.due(self.shared.snapshot.load().certificates(), OffsetDateTime::now_utc());
                due.iter().for_each(|line| self.shared.note(Level::Warning, line));
                self.shared.forget_targets();
                self.shared.guard.summary().iter().for_each(|line| self.shared.note(Level::Info, line));
                self.shared.log.note_dropped(self.shared.snapshot.load().config.log.format);
            }
        };
        let _administration =
            SideThread::start("admin", crate::admin::serve(self.shared.clone(), self.control.clone()))
                .inspect_err(|error| {
                    self.shared.note(Level::Warning, &format!("no administration: {error}"))
                });
        let _checks = SideThread::start("checks", checks(self.shared.clone()))
            .inspect_err(|error| self.shared.note(Level::Error, &format!("no target is checked: {error}")));
        let clock = async {
            loop {
                tokio::time::sleep(TICK).await;
                self.shared.stats.tick();
                self.shared.tell_health();
                self.shared.stats.sample();
            }
        };
        let (files, state, watchdog) = (self.watch_files(), self.keep_state(), self.feed_watchdog());
        tokio::join!(housekeeping, clock, files, state, watchdog);
    }

    /// Notices changed files of certificates, keys and trust. It reads them when they do not change any more, because a
    /// certificate and its key are two files. Files that could not be read are tried again at each look, because a
    /// change of permissions may leave no trace on the file.
    async fn watch_files(&self) {
        let (mut last, mut refused) = (self.shared.snapshot.load().files_state, None);
        loop {
            tokio::time::sleep(GLANCE).await;
            let (now, is_known) = {
                let snapshot = self.shared.snapshot.load();
                let now = FilesState::at(&snapshot.config, &snapshot.table);
                (now, now == snapshot.files_state && !snapshot.can_read_more())
            };
            let at_rest = std::mem::replace(&mut last, now) == now;
            if is_known || !at_rest || refused == Some(now) {
                continue;
            }
            if let Err(error) = self.renew() {
                refused = Some(now);
                self.shared.note(Level::Error, error.text.trim_end());
            }
            self.tell_status();
        }
    }

    /// Writes changed state to the folder of `state`, and reads state that could not be read before. The manager is
    /// told about failures.
    async fn keep_state(&self) {
        loop {
            tokio::time::sleep(KEEP).await;
            self.shared.guard.sweep_rates();
            let shared = self.shared.clone();
            let keep = move || {
                let _ = shared.guard.apply(Change::FollowClock, Origin::Guard);
                shared.keep_state();
            };
            let _ = tokio::task::spawn_blocking(keep).await;
            self.tell_status();
        }
    }

    /// Tells the manager that Portward is alive, as long as every worker is.
    pub(super) async fn feed_watchdog(&self) {
        let Some(interval) = self.pulse.interval() else { return };
        let mut said = false;
        loop {
            match self.pulse.stalled() {
                None => self.manager.alive(),
                Some(number) if !said => {
                    said = true;
                    let text = format!("worker {number} does not answer: the watchdog is not fed any more");
                    self.shared.note(Level::Error, &text);
                }
                Some(_) => {}
            }
            tokio::time::sleep(interval).await;
        }
    }
}

/// Checks targets as the rules in force demand, without end.
async fn checks(shared: Arc<Shared>) {
    let mut reloads = shared.reloads.subscribe();
    let mut checks = Checks::new(shared.health.clone(), shared.resolver.clone());
    loop {
        let basis = {
            let snapshot = shared.snapshot.load();
            Basis {
                table: snapshot.table.clone(),
                tls: snapshot.upstream_tls.clone(),
                listeners: snapshot.listeners.clone().into(),
            }
        };
        // Many changes in a row count as one. Checks go on meanwhile.
        let changed = async {
            let changed = reloads.changed().await;
            tokio::time::sleep(CALM).await;
            changed
        };
        tokio::select! {
            () = checks.run(&basis) => {}
            changed = changed => if changed.is_err() { return },
        }
        reloads.mark_unchanged();
    }
}
