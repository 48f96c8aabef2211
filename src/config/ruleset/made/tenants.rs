//! One tenant of the API. It is read once and by itself, and is used for every table until it is changed. So a change
//! of one tenant does not read the thousands of others again.
//!
//! Faults are described only in words. The text of a tenant may hold secrets, so it is never shown.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::super::report::Report;
use super::super::super::tree::Node;
use super::super::super::walk::{Section, Value};
use super::super::super::{AdminHosts, Diagnostic, Diagnostics, Location, Severity};
use super::super::context::Context;
use super::super::files::Lines;
use super::super::tenant::{self, Alone, Around, Reading};
use super::Making;
use super::hosts::note;
use super::safety::{What, away, forbid, keep_away};
use crate::rules::{Endpoint, HostDef, TenantDef};

/// A tenant of the API.
#[derive(Debug)]
pub(crate) struct MadeTenant {
    alone: Alone,
    /// The tenant's table as TOML.
    text: Arc<String>,
    /// The hosts of its realms, and the target with which they were read.
    aimed: Mutex<Option<Aimed>>,
}

#[derive(Debug, Clone)]
struct Aimed {
    target: Option<Arc<[Endpoint]>>,
    hosts: Arc<[HostDef]>,
}

/// Why a tenant could not be made.
#[derive(Debug)]
pub(crate) struct Unmade {
    pub(crate) found: Diagnostics,
    /// Whether something is not allowed over the API.
    pub(crate) is_forbidden: bool,
}

/// The name of the tenants' container in messages.
const TABLE: &str = "the tenants of the API";

impl Making<'_> {
    /// Reads the tenant `id`, whose table is `text`, for tables with the rules files `files`. Also returns whether the
    /// tenant has only settings that are allowed over the API.
    ///
    /// # Errors
    /// The tenant's faults, without regard to other tenants.
    pub(crate) fn tenant(
        &self,
        id: &str,
        text: String,
        files: &[std::path::PathBuf],
    ) -> Result<MadeTenant, Unmade> {
        let text = Arc::new(text);
        let mut context = self.context(files.to_vec());
        let is_safe = self.config.admin.hosts == AdminHosts::Safe;
        let (mut alone, mut is_forbidden) = (None, false);
        let found = self.each(id, &text, &mut context, |value, context, lines| {
            if is_safe && let Node::Table(tables) = value.node {
                forbid(value.report, tables, self.config, What::Tenant);
                is_forbidden = value.report.errors() > 0;
                if is_forbidden {
                    return;
                }
            }
            let mut reading = Reading::default();
            let Context { targets, names, .. } = context;
            reading.define(value, &mut Around { targets, names, lines });
            alone = reading.alone();
        });
        match alone {
            Some(mut alone) if found.errors() == 0 => {
                if is_safe {
                    alone.definition.endpoints = alone.definition.endpoints.as_ref().map(away);
                }
                Ok(MadeTenant { alone, text, aimed: Mutex::default() })
            }
            _ => Err(Unmade { found, is_forbidden }),
        }
    }

    /// Reads a tenant's text. Faults are described in words that reveal nothing of the text.
    fn each(
        &self,
        id: &str,
        text: &Arc<String>,
        context: &mut Context,
        mut read: impl FnMut(&Value<'_>, &mut Context, &mut Lines<'_>),
    ) -> Diagnostics {
        let number = u16::try_from(context.names.len().saturating_sub(2)).unwrap_or(u16::MAX);
        let report = Report::new(self.tenants_file, text, 0);
        {
            let document = report.parse();
            let mut root = Section::new(&report, TABLE, 0..0, &document);
            if let Some(value) = root.get("tenant") {
                read(&value, context, &mut Lines::new(number, text));
            }
            root.finish(|_| None);
        }
        let told = report.finish().into_iter().map(|one| {
            let Diagnostic { severity, message, help, label, .. } = one;
            let message = match label.starts_with("did you mean") {
                true => format!("the tenant {id}: {message}; {label}"),
                false => format!("the tenant {id}: {message}"),
            };
            let place = Location::whole(self.tenants_file);
            let mut told = match severity {
                Severity::Error => Diagnostic::error(message, place),
                Severity::Warning => Diagnostic::warning(message, place),
            };
            told.help = help;
            told
        });
        told.collect()
    }
}

impl MadeTenant {
    /// The tenant's id.
    pub(crate) fn id(&self) -> &str {
        &self.alone.definition.id
    }

    /// The tenant's definition.
    pub(crate) fn definition(&self) -> &TenantDef {
        &self.alone.definition
    }

    /// The whole line of parents from the root, if the tenant states it.
    pub(super) fn line(&self) -> Option<&[Box<str>]> {
        self.alone.line.as_deref()
    }

    /// The hosts for its realms. They are read again only if the tenant's target has changed.
    ///
    /// # Errors
    /// The faults of these hosts.
    pub(super) fn realms(
        &self,
        making: &Making<'_>,
        context: &mut Context,
    ) -> Result<Arc<[HostDef]>, Diagnostics> {
        let target = context.known.tenants.by_id(self.id()).and_then(|tenant| tenant.target()).cloned();
        let mut aimed = self.aimed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |aimed: &&Aimed| match (&aimed.target, &target) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        if let Some(Aimed { hosts, .. }) = aimed.as_ref().filter(is_same) {
            // The hosts are unchanged. Their statements are noted, so that other hosts must agree with them.
            note(hosts, context);
            return Ok(Arc::clone(hosts));
        }
        let mut hosts = Vec::new();
        let found = making.each(self.id(), &self.text, context, |value, context, lines| {
            let Node::Table(tables) = value.node else { return };
            for entry in Section::new(value.report, TABLE, 0..0, tables).entries() {
                hosts.extend(tenant::realms(&entry, context, lines));
            }
        });
        if found.errors() > 0 {
            return Err(found);
        }
        if making.config.admin.hosts == AdminHosts::Safe {
            hosts.iter_mut().for_each(|host| keep_away(host, target.as_ref()));
        }
        let hosts: Arc<[HostDef]> = hosts.into();
        *aimed = Some(Aimed { target, hosts: Arc::clone(&hosts) });
        Ok(hosts)
    }
}
