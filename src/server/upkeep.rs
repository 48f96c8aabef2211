//! What goes on beside the connections: checks of targets, certificates that change or expire, the blacklist's file, the
//! watchdog, summaries.

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

/// How often refused addresses are summed up.
const SUMMARY: Duration = Duration::from_secs(60);
/// How often the files of certificates, keys and trust are looked at.
const GLANCE: Duration = Duration::from_secs(2);
/// How soon checks follow a change of the rules.
const CALM: Duration = Duration::from_millis(200);
/// How often the state is written, if it has changed.
const KEEP: Duration = Duration::from_secs(5);

impl Server {
    /// Works in the background until it is dropped: DNS, certificates that change or expire, old failures, summaries.
    pub async fn maintain(&self) {
        let _names = SideThread::start("names", self.shared.resolver.clone().run())
            .inspect_err(|error| self.shared.note(Level::Error, &format!("names do not resolve: {error}")));
        let housekeeping = async {
            let mut reminder = Reminder::default();
            // What is near its end now was said when it was read.
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

    /// Notices that files of certificates, keys and trust have changed, and reads them when they have come to rest: a
    /// certificate and its key are two files. What could not be read is tried again at each look, because a permission may
    /// be mended without a trace on the file.
    async fn watch_files(&self) {
        let (mut last, mut refused) = (self.shared.snapshot.load().look, None);
        loop {
            tokio::time::sleep(GLANCE).await;
            let (now, is_known) = {
                let snapshot = self.shared.snapshot.load();
                let now = FilesState::at(&snapshot.config, &snapshot.table);
                (now, now == snapshot.look && !snapshot.can_read_more())
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

    /// Writes to the folder of `state` what has changed, and reads what could not be read before. The manager hears how
    /// that goes.
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

    /// Tells the manager that we are alive, for as long as every worker is.
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

/// Checks targets as the rules in force say it, for ever.
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
        // Many changes in a row are one, and checks go on meanwhile.
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
