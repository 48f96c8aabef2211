//! The rules of a host for services that are decided once a connection. Each rule has one target, and Check Certificate
//! if the service asks for certificates.

use std::num::NonZeroU16;
use std::ops::Range;
use std::sync::Arc;

use super::super::report::Fault;
use super::super::tree::Node;
use super::super::walk::{Section, Value};
use super::context::Context;
use super::files::{Lines, Position, Stands};
use super::keys::elsewhere;
use super::ports;
use super::target::{Endpoints, no_target};
use super::websocket;
use crate::rules::{
    CheckedPorts, CredentialUser, Endpoint, Numbers, OnFailedCheck, Ports, ServiceRule, Target,
};
use crate::service::Service;

/// Reads a rule. `None`: the rule is off, or is wrong, which was reported.
pub(super) fn read(
    value: &Value<'_>,
    service: Service,
    host: Option<&Endpoints>,
    context: &mut Context,
    lines: &mut Lines<'_>,
) -> Option<ServiceRule> {
    let source = lines.source(value.report.base + value.key_span.start);
    let Written { target, section } = rule_target(value, service, host, context)?;
    let mut check = Some(Check::default());
    let mut rewrite_transport = false;
    let mut onward = Ok(None);
    let mut credentials = None;
    if let Some(mut section) = section {
        let ports = target.as_ref().map(|target| target.ports);
        if service.asks_for_certificate() {
            check = Check::read(&mut section, service, ports);
        }
        rewrite_transport = self::rewrite_transport(&mut section, service, ports);
        if service == Service::Sip {
            onward = websocket::onward(&mut section);
            credentials = self::credentials(&mut section);
        }
        section.finish(elsewhere);
    }
    let (check, target) = (check?, target?);
    let mut ports = CheckedPorts::Unchecked(target.ports);
    if service.asks_for_certificate() {
        let (checked, at) = check.decide(value, &target)?;
        agree(&target, checked, at, context, lines.file);
        if let (true, Ports { tcp: Some(tcp), tls: Some(tls) }) = (checked, target.ports) {
            let (on_failed, numbers) = (check.on_failed(), check.numbers());
            ports = CheckedPorts::Checked { tcp, tls, on_failed, numbers };
        }
    }
    let websocket = onward.ok()?.map(|(onward, _)| Arc::new(onward));
    if let Some(onward) = &websocket {
        context.own.refuse_loop(value, &target.endpoints, onward.ports);
    }
    let (credentials, at) = credentials.map_or((None, None), |(user, at)| (Some(user), Some(at)));
    if service == Service::Sip {
        let doors = [Some(target.ports), websocket.as_ref().map(|onward| onward.ports)];
        let said = Said { doors, demanded: credentials.is_some(), at: at.as_ref().unwrap_or(value) };
        said.agree(&target, context, lines.file);
    }
    Some(ServiceRule {
        endpoints: target.endpoints,
        ports,
        rewrite_transport,
        max_message: None,
        websocket,
        credentials,
        source,
    })
}

/// Takes `credentials` and `credential_user`. `None`: no credentials are demanded, or a fault was reported. The result
/// includes the value that demands them.
fn credentials<'w>(section: &mut Section<'w>) -> Option<(CredentialUser, Value<'w>)> {
    let (credentials, user) = (section.get("credentials"), section.get("credential_user"));
    let Some(credentials) = credentials else {
        if let Some(user) = user {
            user.error_at_key(
                Fault::new("`credential_user` cannot matter without `credentials`")
                    .help("credentials = \"ephemeral\" demands them"),
            );
        }
        return None;
    };
    credentials.choice(&[("ephemeral", ())])?;
    let words = [CredentialUser::Named, CredentialUser::Any].map(|user| (user.name(), user));
    let user = user.map_or(Some(CredentialUser::default()), |value| value.choice(&words))?;
    Some((user, credentials))
}

/// Whether a rule demands credentials, and its place.
struct Said<'a, 'w> {
    /// The ports of its target, and the ports on which the target speaks SIP over WebSocket.
    doors: [Option<Ports>; 2],
    demanded: bool,
    at: &'a Value<'w>,
}

impl Said<'_, '_> {
    /// Rules that lead to the same address and port must agree on credentials.
    fn agree(&self, target: &Target, context: &mut Context, file: u16) {
        let (here, span) = position(self.at, file);
        let said = (self.demanded, here);
        let Some(door) = context.agreement.note_credentials(&target.endpoints, self.doors, said) else {
            return;
        };
        let said = |demanded| if demanded { "demands credentials" } else { "demands none" };
        let message =
            format!("rules that lead to {} port {} do not agree on `credentials`", door.address, door.port);
        let fault = Fault::new(message)
            .label(said(self.demanded))
            .related(context.place_of(door.first), said(!self.demanded))
            .help("a client that names the host of the one rule would reach the PBX without the credentials of the other");
        self.at.report.add(super::Severity::Error, span, fault);
    }
}

/// The place of a value, or of the key if the value is a table. It is given in both forms.
fn position(at: &Value<'_>, file: u16) -> (Stands, Range<usize>) {
    let base = at.report.base;
    let span = match at.node {
        Node::Table(_) => at.key_span.clone(),
        _ => at.inner(),
    };
    (Stands::At(Position::new(file, &(base + span.start..base + span.end))), span)
}

/// The parts of a rule that every service has.
struct Written<'w> {
    /// The target. `None`: it is wrong, which was reported.
    target: Option<Target>,
    /// The table with the keys that are still to be taken. `None`: the rule is `true`.
    section: Option<Section<'w>>,
}

/// The target of a rule. `None`: there is no rule.
fn rule_target<'w>(
    value: &Value<'w>,
    service: Service,
    host: Option<&Endpoints>,
    context: &mut Context,
) -> Option<Written<'w>> {
    if let Node::Boolean(on) = value.node {
        let ports = ports::standard(service);
        let standard = |endpoints: Endpoints| {
            context.own.refuse_loop(value, &endpoints, ports);
            Target { endpoints, ports }
        };
        let target = || host.cloned().or_else(|| no_target(value)).map(standard);
        let target = on.then(target)?;
        note_tls(service, target.as_ref().map(|target| &target.endpoints), Some(ports), context);
        return Some(Written { target, section: None });
    }
    let wanted = "true, or a table { target = \"…\", tcp = …, tls = … }";
    let mut section = value.section(service.rule(), wanted)?;
    let written = section.get("target");
    let endpoints = match &written {
        Some(target) => context.targets.endpoints(target),
        None => host.cloned().or_else(|| no_target(value)),
    };
    let ports = ports::read(&mut section, service, value);
    note_tls(service, endpoints.as_ref(), ports, context);
    let target = endpoints.zip(ports).map(|(endpoints, ports)| {
        context.own.refuse_loop(written.as_ref().unwrap_or(value), &endpoints, ports);
        Target { endpoints, ports }
    });
    Some(Written { target, section: Some(section) })
}

/// Notes where telephones are led by TLS. Ports that are wrong may have been meant for it.
fn note_tls(service: Service, endpoints: Option<&Endpoints>, ports: Option<Ports>, context: &mut Context) {
    if let Some(endpoints) = endpoints
        && service.asks_for_certificate()
        && ports.is_none_or(|ports| ports.tls.is_some())
    {
        context.targets.note_tls(endpoints);
    }
}

/// `check_certificate`, `on_failed_check` and `numbers` as they are written.
#[derive(Default)]
struct Check<'w> {
    written: Option<(bool, Value<'w>)>,
    on_failed: Option<(OnFailedCheck, Value<'w>)>,
    numbers: Option<(Numbers, Value<'w>)>,
}

impl<'w> Check<'w> {
    /// Reads them. `None`: something is wrong, which was reported.
    fn read(section: &mut Section<'w>, service: Service, ports: Option<Ports>) -> Option<Self> {
        let check = section.get("check_certificate");
        let on_failed = section.get("on_failed_check");
        let written = match check {
            Some(value) => Some((value.boolean()?, value)),
            None => None,
        };
        let words = [("plain", OnFailedCheck::Plain), ("reject", OnFailedCheck::Reject)];
        let on_failed = match on_failed {
            Some(value) => Some((value.choice(&words)?, value)),
            None => None,
        };
        let numbers = match service {
            Service::H323 => section.get("numbers"),
            _ => None,
        };
        let numbers = match numbers {
            Some(value) => Some((value.choice(&[("with-name", Numbers::WithName)])?, value)),
            None => None,
        };
        ports?;
        Some(Self { written, on_failed, numbers })
    }

    fn on_failed(&self) -> OnFailedCheck {
        self.on_failed.as_ref().map(|(word, _)| *word).unwrap_or_default()
    }

    fn numbers(&self) -> Numbers {
        self.numbers.as_ref().map(|(word, _)| *word).unwrap_or_default()
    }

    /// Whether the certificate is checked, and the value that says so. `None`: the check is not possible, which was
    /// reported.
    fn decide<'a>(&'a self, rule: &'a Value<'w>, target: &Target) -> Option<(bool, &'a Value<'w>)> {
        let ports = target.ports;
        let both = ports.tcp.is_some() && ports.tls.is_some();
        let decision = match &self.written {
            Some((true, value)) if !both => {
                value.error(
                    Fault::new("check_certificate needs both ports")
                        .label(format!("only the {} port is defined", only(ports)))
                        .help(
                            "proven clients go out by TLS, all others by the plain port; define tcp and tls",
                        ),
                );
                return None;
            }
            Some((false, value)) => {
                if ports.tls.is_some() {
                    warn_of_unchecked(value, &target.endpoints);
                }
                (false, value)
            }
            Some((true, value)) => (true, value),
            None if both => (true, rule),
            None if ports.tls.is_some() => {
                rule.error(
                    Fault::new("a rule with the TLS port alone has no certificate check")
                        .help("define the plain port, too; or say check_certificate = false, if the PBX does not have Assume TLS ticked"),
                );
                return None;
            }
            None => (false, rule),
        };
        let on_failed = self.on_failed.as_ref().map(|(_, value)| ("on_failed_check", value));
        let numbers = self.numbers.as_ref().map(|(_, value)| ("numbers", value));
        if let (false, Some((key, value))) = (decision.0, on_failed.or(numbers)) {
            value.error_at_key(Fault::new(format!("`{key}` cannot matter without the certificate check")));
            return None;
        }
        Some(decision)
    }
}

/// Warns that TLS without the check reaches a PBX that may have *Assume TLS* ticked. A rules file can answer that a PBX has
/// no such setting; of a list of addresses each has to be said.
fn warn_of_unchecked(value: &Value<'_>, endpoints: &[Endpoint]) {
    let Some(Endpoint { address, .. }) = endpoints.iter().find(|one| !one.options.lacks_assume_tls) else {
        return;
    };
    let help = format!(
        "a PBX with Assume TLS ticked would take every client for proven; untick it there. If it has no such setting, say \
         assume_tls = false in [target.\"{}\"]",
        address
    );
    value.warn(Fault::new("TLS goes to this target without a check of the client's certificate").help(help));
}

fn only(ports: Ports) -> &'static str {
    if ports.tcp.is_some() { "plain" } else { "TLS" }
}

fn rewrite_transport(section: &mut Section<'_>, service: Service, ports: Option<Ports>) -> bool {
    if service != Service::Sip {
        return false;
    }
    let Some(value) = section.get("rewrite_transport") else { return false };
    let rewrite = value.boolean().unwrap_or(false);
    let plain: Option<Option<NonZeroU16>> = ports.map(|ports| ports.tcp);
    if rewrite && plain == Some(None) {
        value.error_at_key(
            Fault::new("`rewrite_transport` cannot matter without a plain port")
                .help("it is for TLS clients that are relayed to a plain port"),
        );
    }
    rewrite
}

/// Rules that lead to the same target with a TLS port must agree on the check. `assume_tls = false` changes nothing of that: the
/// check then only decides who may use the TLS port, and two rules that differ in that are a mistake as well.
fn agree(target: &Target, checked: bool, at: &Value<'_>, context: &mut Context, file: u16) {
    if target.ports.tls.is_none() {
        return;
    }
    let (here, span) = position(at, file);
    let Some((address, first)) = context.agreement.note(&target.endpoints, checked, here) else {
        return;
    };
    let said = |checked| if checked { "with" } else { "without" };
    let message = format!("rules that lead to {} do not agree on check_certificate", address);
    let mut its = target.endpoints.iter().filter(|endpoint| endpoint.address == *address);
    let help = match its.any(|endpoint| endpoint.options.lacks_assume_tls) {
        false => {
            "with Assume TLS the PBX takes every registration by TLS for proven; one rule without the check would make every client proven"
        }
        true => {
            "the check also decides which clients go out by TLS, so the rules must agree with assume_tls = false, too"
        }
    };
    let fault = Fault::new(message)
        .label(format!("{} the check", said(checked)))
        .related(context.place_of(first), format!("{} the check", said(!checked)))
        .help(help);
    at.report.add(super::Severity::Error, span, fault);
}
