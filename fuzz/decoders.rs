//! Every decoder of strangers' octets, as the search for its most expensive input calls it.
//!
//! Both the fuzz target `cost` and the bench `inspect` (group `hostile`) include this file. Every decoder gets every
//! input. A decoder refuses an input that is not for it at once.

use std::hint::black_box;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use portward::inspect::http::{Framing, HEAD_LIMIT, ResponseInspector};
use portward::inspect::{Inspect, digest, h323, http, ldap, proxy, sip};
use portward::io::Buffer;
use portward::proof::own_routes::OwnRoutes;
use portward::proof::token::Tokens;
use portward::proof::{self, Claim, Names};
use portward::relay::http::{Asked, request_head};
use portward::relay::sip::{Login, Recording, SipAction, SipPolicy, SipWatch};
use portward::relay::watched::{Next, Replies, Watch};
use portward::route::asker::asker;
use portward::route::http::{Ask, Forwarding, Rules, route};
use portward::rules::decide::{self, Scratch};
use portward::rules::name::{self, NameBuf, from_wire, split_host_port};
use portward::rules::path::request_path;
use portward::rules::{
    Address, Builder, Endpoint, HostDef, HttpRule, NameDef, PathPattern, Ports, Source, Table, Target,
    TargetOptions,
};
use portward::service::{PerService, Transport};

/// A decoder.
#[derive(Clone, Copy)]
pub(crate) struct Decoder {
    /// Its name. Its most expensive input is `fuzz/corpus/cost/NAME`.
    pub(crate) name: &'static str,
    /// Reads an input. `slowly`: each octet comes alone, and the decoder is asked each time. It ends when the decoder
    /// has decided.
    pub(crate) read: fn(&mut Bench, &[u8], slowly: bool),
    /// How many octets of an input are read at most.
    pub(crate) limit: usize,
    /// Whether it is asked again when octets come. Then slow reading is different.
    pub(crate) grows: bool,
}

/// All of them.
pub(crate) const DECODERS: [Decoder; 15] = [
    Decoder { name: "http-request", read: http_request, limit: HEAD_LIMIT, grows: true },
    Decoder { name: "http-response", read: http_response, limit: HEAD_LIMIT, grows: true },
    Decoder { name: "http-body", read: http_body, limit: 64 * 1024, grows: true },
    Decoder { name: "sip-client", read: sip_client, limit: sip::HEAD_LIMIT, grows: true },
    Decoder { name: "sip-target", read: sip_target, limit: 64 * 1024, grows: true },
    Decoder { name: "sip-address", read: sip_address, limit: sip::HEAD_LIMIT, grows: false },
    Decoder { name: "ldap-client", read: ldap_client, limit: ldap::LDAP_LIMIT, grows: true },
    Decoder { name: "ldap-name", read: ldap_name, limit: ldap::LDAP_LIMIT, grows: false },
    Decoder { name: "h323-opening", read: h323_opening, limit: h323::OPENING_LIMIT, grows: true },
    Decoder { name: "h323-message", read: h323_message, limit: h323::MESSAGE_LIMIT, grows: true },
    Decoder { name: "proxy-header", read: proxy_header, limit: proxy::PROXY_LIMIT, grows: true },
    Decoder { name: "certificate", read: certificate, limit: 64 * 1024, grows: false },
    Decoder { name: "path", read: path, limit: HEAD_LIMIT, grows: false },
    Decoder { name: "credentials", read: credentials, limit: HEAD_LIMIT, grows: false },
    Decoder { name: "host-name", read: host_name, limit: HEAD_LIMIT, grows: false },
];

/// The decoders' arguments other than the input.
pub(crate) struct Bench {
    table: Table,
    tokens: Tokens,
    recording: Recording,
    names: Names,
    scratch: Scratch,
    out: Vec<u8>,
}

impl Default for Bench {
    fn default() -> Self {
        let tokens = Tokens::new([7; 32]);
        Self {
            recording: Recording::new(&tokens, ("pbx.example.net", None), "192.0.2.1:5060", true),
            tokens,
            table: table(&["", "/a", "/a/a", "/a/a/a", "/PBX0/APPS"]),
            names: Names::parse("CN=a,URI=sip:a@pbx.example.net").unwrap_or_default(),
            scratch: Scratch::default(),
            out: Vec::new(),
        }
    }
}

/// The table of one host, `pbx.example.net`, with these paths.
pub(crate) fn table(paths: &[&str]) -> Table {
    let source = Source::default();
    let ports = Ports { tcp: NonZeroU16::new(80), tls: NonZeroU16::new(443) };
    let address = Address::Ip([172, 31, 31, 2].into());
    let endpoints: Arc<[Endpoint]> =
        Arc::new([Endpoint { address, options: Arc::new(TargetOptions::default()) }]);
    let rule = |path: &str| HttpRule {
        path: PathPattern::Head(path.into()),
        target: Target { endpoints: Arc::clone(&endpoints), ports },
        redirect_https: false,
        treatment: None,
        source,
    };
    let mut builder = Builder::new();
    let added = builder.add(HostDef {
        name: NameDef { name: "pbx.example.net".into(), source },
        aliases: Vec::new(),
        enabled: true,
        tenant: None,
        client_trust: None,
        endpoints: Some(Arc::clone(&endpoints)),
        rules: PerService::default(),
        http: paths.iter().map(|path| rule(path)).collect(),
        presets: Vec::new(),
    });
    assert!(added.is_ok());
    builder.build(Vec::new())
}

/// Asks about the whole input, or about prefixes of growing length, until the answer is final.
fn grow<Ask>(input: &[u8], slowly: bool, mut inspect: impl FnMut(&[u8]) -> Inspect<Ask>) -> Inspect<Ask> {
    let mut end = if slowly { 1 } else { input.len() };
    loop {
        let part = input.get(..end).unwrap_or(input);
        match inspect(part) {
            Inspect::NeedMore if end < input.len() => end += 1,
            answer => return answer,
        }
    }
}

fn http_request(bench: &mut Bench, input: &[u8], slowly: bool) {
    let mut inspector = http::Inspector::default();
    let Inspect::Found { ask, len } = grow(input, slowly, |part| inspector.inspect(part)) else { return };
    let mut buffer = Buffer::default();
    buffer.extend(input);
    let asked = Asked::take(&mut buffer, &ask, len);
    let forwarding = Forwarding { peer: [203, 0, 113, 9].into(), transport: Transport::Tls, trusted: true };
    let ask = Ask {
        forwarding,
        host: asked.host(),
        path: asked.path(),
        target: asked.target(),
        connection: asked.connection(),
        client: forwarding.peer,
        is_secure: true,
        only_reads: true,
    };
    let rules = Rules { table: &bench.table, https_port: 443 };
    let _ = black_box(route(&rules, &ask, &mut bench.scratch).host.is_some());
    let is_believed = |address: IpAddr| address.is_ipv4();
    black_box(asker(forwarding.peer, is_believed, asked.head(), asked.request()));
    bench.out.clear();
    request_head(&mut bench.out, &asked, &ask.edits(&bench.table), None);
    for field in &asked.request().fields {
        black_box(digest::credentials(field.value.of_input(asked.head())));
    }
}

fn http_response(_: &mut Bench, input: &[u8], slowly: bool) {
    let mut inspector = ResponseInspector::new(false);
    let Inspect::Found { ask, .. } = grow(input, slowly, |part| inspector.inspect(part)) else { return };
    for field in &ask.fields {
        black_box(digest::challenges(field.value.of_input(input)).take(8).count());
    }
}

fn http_body(bench: &mut Bench, input: &[u8], slowly: bool) {
    for mut framing in [Framing::chunked(), Framing::unchunked()] {
        bench.out.clear();
        bench.out.extend_from_slice(input);
        let size = if slowly { 1 } else { 16 * 1024 };
        for piece in bench.out.chunks_mut(size) {
            if framing.filter(piece).is_err() || framing.is_done() {
                break;
            }
        }
        black_box(framing.tail());
    }
}

/// A policy that lets everything pass, after a look at the names.
struct Phones<'b> {
    tokens: &'b Tokens,
    names: &'b Names,
}

impl SipPolicy for Phones<'_> {
    fn judge(&mut self, head: &[u8], request: &sip::Message) -> SipAction {
        black_box(proof::sip::request(self.names, head, request, |_| true));
        SipAction::Pass
    }
    fn login(&mut self, _: Login, _: &[u8], _: &sip::Message) {}
    fn tokens(&self) -> &Tokens {
        self.tokens
    }
}

/// A stream of messages, as the relay reads it.
fn sip_stream(bench: &Bench, input: &[u8], slowly: bool, of_client: bool) {
    let phones = Phones { tokens: &bench.tokens, names: &bench.names };
    let mut watch = SipWatch::new(phones, Some(bench.recording.clone()), true, 65_536);
    let (mut onward, mut back) = (Buffer::default(), Buffer::default());
    let mut rest = input;
    while !rest.is_empty() {
        let mut end = if slowly { 1 } else { rest.len() };
        let next = loop {
            onward.consume(onward.len());
            back.consume(back.len());
            let mut replies = Replies { onward: &mut onward, back: &mut back };
            let part = rest.get(..end).unwrap_or(rest);
            let next = if of_client {
                watch.hear_client(part, &mut replies)
            } else {
                watch.hear_target(part, &mut replies)
            };
            match next {
                Next::NeedMore if end < rest.len() => end += 1,
                next => break next,
            }
        };
        let taken = match next {
            Next::Pass(count) | Next::Part(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Next::Replace { count, pass } => count + usize::try_from(pass).unwrap_or(usize::MAX),
            Next::NeedMore | Next::End(_) => return,
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
}

fn sip_client(bench: &mut Bench, input: &[u8], slowly: bool) {
    sip_stream(bench, input, slowly, true);
    let answer = sip::Inspector::of_client().inspect(input);
    let Inspect::Found { ask: sip::Ask::Message(message), len } = answer else { return };
    let head = input.get(..len).unwrap_or_default();
    let own = OwnRoutes { tokens: &bench.tokens, address: None, front: None };
    black_box(own.dialog(head, &message).is_some());
    black_box(proof::sip::request(&bench.names, head, &message, |_| true));
}

fn sip_target(bench: &mut Bench, input: &[u8], slowly: bool) {
    sip_stream(bench, input, slowly, false);
}

fn sip_address(_: &mut Bench, input: &[u8], _: bool) {
    for entry in sip::entries(input) {
        let Some(address) = sip::name_addr(entry) else { continue };
        black_box(sip::param(address.params, b"tag"));
        if let Some(uri) = sip::uri(address.uri) {
            black_box(sip::param(uri.params, b"lr"));
        }
    }
    black_box(sip::param(input, b"tag"));
}

fn ldap_client(_: &mut Bench, input: &[u8], slowly: bool) {
    let mut rest = input;
    while !rest.is_empty() {
        let _ = black_box(ldap::operation(rest).is_ok());
        let answer = grow(rest, slowly, |part| ldap::Inspector.inspect(part));
        let Inspect::Found { ask, len } = answer else { break };
        if let ldap::Ask::Bind(bind) = &ask {
            black_box(matches!(bind.wants(), ldap::Wants::Host(_)));
        }
        rest = rest.get(len.max(1)..).unwrap_or_default();
    }
    let _ = black_box(ldap::answer(input.get(..ldap::ANSWER_LIMIT).unwrap_or(input)).is_ok());
}

fn ldap_name(_: &mut Bench, input: &[u8], _: bool) {
    let _ = black_box(ldap::bind_name(input).is_ok());
}

fn h323_opening(_: &mut Bench, input: &[u8], slowly: bool) {
    let mut opening = h323::Opening::default();
    h323_ask(grow(input, slowly, |part| opening.inspect(part)));
}

fn h323_message(_: &mut Bench, input: &[u8], slowly: bool) {
    let mut inspector = h323::Inspector::new(h323::MESSAGE_LIMIT);
    h323_ask(grow(input, slowly, |part| inspector.inspect(part)));
    // Longer messages of a gatekeeper are not read.
    black_box(h323::reply(input.get(..16 * 1024).unwrap_or(input)));
}

fn h323_ask(answer: Inspect<h323::Ask>) {
    match answer {
        Inspect::Found { ask: h323::Ask::Registration(registration), .. } => {
            black_box(registration.host());
        }
        Inspect::Found { ask: h323::Ask::Setup(setup), .. } => {
            let _ = black_box(setup.domain().is_ok());
        }
        _ => {}
    }
}

fn proxy_header(_: &mut Bench, input: &[u8], slowly: bool) {
    black_box(grow(input, slowly, proxy::inspect) == Inspect::NeedMore);
}

fn certificate(_: &mut Bench, input: &[u8], _: bool) {
    let Some(names) = Names::of(input) else { return };
    black_box(names.prove(Claim { name: "a", host: "pbx.example.net" }));
    black_box(names.to_string());
}

fn path(bench: &mut Bench, input: &[u8], _: bool) {
    let _ = black_box(request_path(input, &mut bench.out).is_ok());
    let host = b"pbx.example.net";
    let _ = black_box(decide::http(&bench.table, Transport::Tls, host, input, &mut bench.scratch).is_ok());
}

fn credentials(_: &mut Bench, input: &[u8], _: bool) {
    black_box(digest::credentials(input));
    black_box(digest::challenges(input).take(8).count());
    black_box(digest::is_ambiguous(input));
}

fn host_name(_: &mut Bench, input: &[u8], _: bool) {
    let mut buf = NameBuf::default();
    let bare = split_host_port(input).map_or(input, |(name, _)| name);
    let _ = black_box(from_wire(bare, &mut buf).is_ok());
    if let Ok(text) = str::from_utf8(input) {
        black_box(name::ascii(text).len());
    }
}
