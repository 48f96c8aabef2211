//! Remedies for refusals because something is disabled, because of the client, or because of the target.

use super::super::sip;
use super::super::url::What;
use super::super::why::DisabledBy;
use super::super::{From, Listing, Why};
use super::place::Wanted;
use super::{Refused, Remedy, word};
use crate::reason::Reason;
use crate::rules::Host;
use crate::rules::path::request_path;
use crate::service::Transport;

impl Refused<'_> {
    /// Enables a host or a tenant.
    pub(super) fn enabled(&self, why: &Why) -> Remedy {
        let (kind, name) = match why {
            Why::Disabled { by: DisabledBy::Tenant { disabled, .. }, .. } => ("tenant", disabled.as_str()),
            Why::DisabledTenant { tenant, .. } => ("tenant", tenant.as_str()),
            _ => ("host", self.host.map(Host::name).unwrap_or_default()),
        };
        let words = format!("Enable the {kind} {name}, if the administrator who disabled it agrees.");
        let table = self.table();
        let source = match kind {
            "tenant" => table.tenants().by_id(name).map(|tenant| tenant.source()),
            _ => self.host.map(Host::source),
        };
        let place = source.map(|source| (table.file(source).to_owned(), source.line));
        let (file, line) = place.unzip();
        let command = Some(format!("portward {kind} enable {}", word(name)));
        Remedy { file, line, command, ..Remedy::of(words) }
    }

    /// The certificate that the client needs.
    pub(super) fn certificate(&self) -> Remedy {
        let rule = self.host.and_then(|host| host.rule(self.service()));
        let claimed = match self.url.what() {
            What::Sip(from) => Some(sip::user(from)),
            _ => self.client.aliases.first().map(|alias| alias.text().to_owned()),
        };
        let claimed = claimed.filter(|name| !name.is_empty());
        let claimed = claimed.unwrap_or_else(|| "that it registers".to_owned());
        let by = match self.url.transport() {
            Transport::Plain => "The client must come by TLS and show a certificate",
            Transport::Tls => "The client must show a certificate",
        };
        let words = format!(
            "{by} that `tls.client_trust`, or the host's own, trusts, and that has the name {claimed}. Or take `on_failed_check = \
             \"reject\"` off the rule: then clients without one go out by the plain port."
        );
        let source = rule.map(|rule| rule.source);
        let (file, line) = source.map(|at| (self.table().file(at).to_owned(), at.line)).unzip();
        Remedy { file, line, ..Remedy::of(words) }
    }

    /// Removes an address from the blacklist.
    pub(super) fn unlisted(&self) -> Remedy {
        let Some(From { address, listing }) = &self.client.from else {
            return Remedy::of(
                "Take the address off the blacklist with `portward blacklist remove ADDRESS`.",
            );
        };
        let address = address.to_canonical().to_string();
        let who = if let Listing::Listed { address, .. } = listing { address } else { &address };
        let mut words = "Take it off the blacklist.".to_owned();
        if *who != address {
            words.push_str(&format!(" The entry is for {who}, so other addresses are let in as well."));
        }
        words.push_str(
            " If it was listed for what it asked, it will be again: see first what it asks for. A network in `blacklist.allow` of \
             portward.toml is never listed.",
        );
        Remedy { command: Some(format!("portward blacklist remove {}", word(who))), ..Remedy::of(words) }
    }

    /// Removes a network from `blacklist.block`.
    pub(super) fn unblocked(&self) -> Remedy {
        let address = self.client.from.as_ref().map(|from| from.address.to_canonical());
        let block = &self.grounds.config.guard.block;
        let network = address.and_then(|address| block.iter().find(|network| network.contains(&address)));
        let Some(network) = network else {
            return Remedy::of("Take its network off `blacklist.block` in portward.toml.");
        };
        let words = format!(
            "Take {network} off `blacklist.block`, or write smaller networks that do not have this address, and reload. \
             Every address in it is let in then."
        );
        let file = Some(self.grounds.config.file.clone());
        Remedy { file, unread: Some(Wanted::Blocked(*network)), ..Remedy::of(words) }
    }

    /// Adds an origin to a rule.
    pub(super) fn origin(&self) -> Remedy {
        let words = "Add the origin of the page (scheme, name and port, as https://www.customer.example) to `origins` of the rule, if \
                     that page is one of yours: the browser's console shows which it is. \"none\" stands for clients that send no \
                     Origin.";
        let rule = self.host.zip(self.path()).and_then(|(host, path)| {
            let mut room = Vec::new();
            host.http(&request_path(path.as_bytes(), &mut room).ok()?).ok()
        });
        let (file, line) =
            rule.map(|rule| (self.table().file(rule.source()).to_owned(), rule.source().line)).unzip();
        Remedy { file, line, ..Remedy::of(words) }
    }

    /// Advice for a target that does not answer.
    pub(super) fn target(&self, reason: Reason) -> Remedy {
        let (words, command) = match reason {
            Reason::TargetTls => (
                "The rules let it in; TLS to the target failed. `portward cert show ADDRESS:PORT` shows the target's certificate and \
                 the `pin` to paste; or put its CA into the folder of `upstream.trust`. `portward targets` says what was wrong.",
                "portward targets",
            ),
            _ => (
                "The rules let it in; the target did not take it. See whether the PBX runs, whether the address and the port of the \
                 rule are right, and whether a firewall stands between. `portward check --connect` tries each target.",
                "portward check --connect",
            ),
        };
        Remedy { command: Some(command.to_owned()), ..Remedy::of(words) }
    }
}
