//! The cost of reading a head and a chunked body, and of a decision from the request's first octet to the outgoing
//! head. The byte-at-a-time group shows that a slow client costs one look for each octet, and no more. The hostile
//! group reads the most expensive inputs that scripts/fuzz-cost has found, and fails if one exceeds the limit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portward::inspect::Inspect;
use portward::inspect::h323;
use portward::inspect::http::{Framing, Inspector, Request, ResponseInspector};
use portward::inspect::ldap;
use portward::inspect::sip;
use portward::io::Buffer;
use portward::relay::h323::answer::frame;
use portward::relay::http::{Asked, request_head};
use portward::route::http::{Ask, Forwarding, Rules, Then, route};
use portward::rules::decide::Scratch;
use portward::service::Transport;

#[path = "../fuzz/decoders.rs"]
mod decoders;
#[path = "shared/messages.rs"]
mod messages;

use messages::{ANSWER, RRQ, bind, browser, captured, curl, register};

/// 16 KiB, most of it cookies.
fn cookies() -> Vec<u8> {
    let mut head = curl();
    head.truncate(head.len() - 2);
    let cookie = format!("Cookie: {}\r\n", "name=0123456789abcdef; ".repeat(44));
    while head.len() + cookie.len() + 2 <= 16 * 1024 {
        head.extend_from_slice(cookie.as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn heads() -> [(&'static str, Vec<u8>); 3] {
    [("curl", curl()), ("browser, 15 fields", browser()), ("cookies, 16 KiB", cookies())]
}

fn found(head: &[u8]) -> (Request, usize) {
    match Inspector::default().inspect(head) {
        Inspect::Found { ask, len } => (ask, len),
        other => panic!("{other:?}"),
    }
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("request head, at once");
    for (name, head) in heads() {
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_function(name, |b| b.iter(|| found(black_box(&head)).1));
    }
    group.finish();
    c.bench_function("response head", |b| {
        b.iter(|| matches!(ResponseInspector::new(false).inspect(black_box(ANSWER)), Inspect::Found { .. }));
    });
}

/// Twice the octets must take twice the time, not four times.
fn one_by_one(c: &mut Criterion) {
    let mut group = c.benchmark_group("request head, byte at a time");
    let whole = cookies();
    for size in [2, 4, 8, 16] {
        // Cut after a cookie line, so that every prefix is a head.
        let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        let mut head: Vec<u8> = Vec::new();
        for line in &lines[..lines.len() - 1] {
            if head.len() + line.len() + 2 <= size * 1024 {
                head.extend_from_slice(line);
            }
        }
        head.extend_from_slice(b"\r\n");
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{size} KiB")), |b| {
            b.iter(|| {
                let mut inspector = Inspector::default();
                (1..=head.len())
                    .find(|end| inspector.inspect(black_box(&head[..*end])) != Inspect::NeedMore)
                    .is_some_and(|end| end == head.len())
            });
        });
    }
    group.finish();
}

/// Bodies in reads of 16 KiB.
fn chunks(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunked body");
    for chunk in [64, 1024, 8192] {
        let mut body = Vec::new();
        while body.len() < 1024 * 1024 {
            body.extend_from_slice(format!("{chunk:x}\r\n").as_bytes());
            body.resize(body.len() + chunk, b'x');
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n\r\n");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("chunks of {chunk}"), |b| {
            b.iter(|| {
                let mut framing = Framing::chunked();
                for data in body.chunks_mut(16 * 1024) {
                    assert_eq!(framing.filter(black_box(data)).unwrap().kept, data.len());
                }
                framing.is_done()
            });
        });
    }
    group.finish();
}

/// Everything between the incoming octets and the outgoing octets.
fn decision(c: &mut Criterion) {
    let table = decoders::table(&["/PBX0/APPCLIENT", "/PBX0/APPS", "/PBX0/session"]);
    let mut group = c.benchmark_group("inspect, decide and write the head");
    for (name, head) in heads() {
        let (mut scratch, mut out) = (Scratch::default(), Vec::with_capacity(32 * 1024));
        let peer = [203, 0, 113, 9].into();
        let forwarding = Forwarding { peer, transport: Transport::Tls, trusted: false };
        let mut buffer = Buffer::default();
        group.bench_function(name, |b| {
            b.iter(|| {
                let head = black_box(head.as_slice());
                let (request, len) = found(head);
                buffer.extend(head);
                let asked = Asked::take(&mut buffer, &request, len);
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
                let routed = route(&Rules { table: &table, https_port: 443 }, &ask, &mut scratch);
                let Then::Forward { to, edits } = routed.then else { panic!("{routed:?}") };
                out.clear();
                request_head(&mut out, &asked, &edits, None);
                (to.endpoints.len(), out.len())
            });
        });
    }
    group.finish();
}

/// A call with its SDP.
fn invite() -> Vec<u8> {
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.17\r\ns=-\r\nc=IN IP4 10.0.0.17\r\nt=0 0\r\nm=audio 49170 RTP/AVP 8 0 101\r\n\
               a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
    let head = String::from_utf8(register()).unwrap().replace("REGISTER", "INVITE");
    let length = format!("Content-Type: application/sdp\r\nContent-Length: {}", sdp.len());
    [head.replace("Content-Length: 0", &length).into_bytes(), sdp.as_bytes().to_vec()].concat()
}

fn sip_messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("a SIP message");
    for (name, message) in [("REGISTER", register()), ("INVITE with SDP", invite())] {
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &message, |b, message| {
            b.iter(|| sip::Inspector::of_client().inspect(black_box(message)));
        });
    }
    group.finish();
}

/// A phone's bind, for each form of its name: from its octets to the host's name.
fn binds(c: &mut Criterion) {
    let mut group = c.benchmark_group("an LDAP bind");
    for (form, name) in [
        ("domain\\user", "dvl-ckl2.net\\contacts"),
        ("user@domain", "contacts@dvl-ckl2.net"),
        ("DN", "CN=contacts,OU=phones,DC=dvl-ckl2,DC=net"),
    ] {
        let message = bind(name);
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function(form, |b| {
            b.iter(|| match ldap::Inspector.inspect(black_box(&message)) {
                Inspect::Found { ask: ldap::Ask::Bind(bind), .. } => {
                    assert_eq!(bind.wants(), ldap::Wants::Host(b"dvl-ckl2.net"));
                }
                other => panic!("{other:?}"),
            });
        });
    }
    let entry = [0x30, 0x81, 0xc8, 2, 2, 1, 2, 0x64, 0x81, 0xc0, 4, 40];
    group.bench_function("outside of an entry", |b| b.iter(|| ldap::answer(black_box(&entry))));
    group.finish();
}

/// A captured registration of an H.323 telephone: from its octets to the host's name.
fn registrations(c: &mut Criterion) {
    let mut group = c.benchmark_group("an H.323 registration");
    for (form, name) in [("RRQ", RRQ), ("GRQ", "mock_02_tcp_tpkt_c2s_FACILITY_empty_h46017_GRQ")] {
        let octets = captured(name);
        group.throughput(Throughput::Bytes(octets.len() as u64));
        group.bench_function(form, |b| {
            b.iter(|| match h323::Opening::default().inspect(black_box(&octets)) {
                Inspect::Found { ask: h323::Ask::Registration(registration), .. } => {
                    assert_eq!(registration.host(), Some("pbx-alpha"));
                }
                other => panic!("{other:?}"),
            });
        });
    }
    // An addition that is skipped.
    let addition = [&[0x28, 0x10, 1, 0, 0x11, 0, 0xbf, 0x00][..], &vec![0xff; 0x3f00]].concat();
    let octets = frame(&[8, 2, 0, 0, 0x62], &addition);
    group.throughput(Throughput::Bytes(octets.len() as u64));
    group.bench_function("16 KiB of nothing", |b| {
        b.iter(|| {
            let said = h323::Opening::default().inspect(black_box(&octets));
            assert!(matches!(said, Inspect::Reject(_)), "{said:?}");
        });
    });
    group.finish();
}

/// The most time for an octet of any input. It is so short that little needs to be read.
const OCTET: Duration = Duration::from_micros(1);
const LEAST: usize = 64;
/// The most time for one look at any input.
const LOOK: Duration = Duration::from_millis(2);

/// The most expensive known inputs, each in the decoder of its name: all octets at once, and one by one.
fn hostile(c: &mut Criterion) {
    let mut group = c.benchmark_group("hostile");
    let mut inputs: Vec<_> =
        std::fs::read_dir("fuzz/corpus/cost").unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    let mut bench = decoders::Bench::default();
    for path in inputs {
        let name = path.file_name().unwrap().to_str().unwrap();
        let decoder = decoders::DECODERS.into_iter().find(|decoder| {
            name.strip_prefix(decoder.name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        let decoder = decoder.unwrap_or_else(|| panic!("{name} names no decoder"));
        let mut input = std::fs::read(&path).unwrap();
        input.truncate(decoder.limit);
        for slowly in [false, true] {
            if slowly && !decoder.grows {
                continue;
            }
            group.throughput(Throughput::Bytes(input.len() as u64));
            let least = Cell::new(Duration::MAX);
            let how = if slowly { ", octet by octet" } else { "" };
            group.bench_function(format!("{name}{how}"), |b| {
                b.iter_custom(|times| {
                    let begun = Instant::now();
                    for _ in 0..times {
                        let one = Instant::now();
                        (decoder.read)(&mut bench, black_box(&input), slowly);
                        least.set(least.get().min(one.elapsed()));
                    }
                    begun.elapsed()
                });
            });
            // Without optimisation, or if the group was not selected, nothing was measured.
            if cfg!(debug_assertions) || least.get() == Duration::MAX {
                continue;
            }
            let bound = OCTET * u32::try_from(input.len().max(LEAST)).unwrap();
            assert!(least.get() <= bound, "{name}{how}: {:?} for {} octets", least.get(), input.len());
            assert!(slowly || least.get() <= LOOK, "{name}: {:?} in one look", least.get());
        }
    }
    group.finish();
}

fn quick() -> Criterion {
    let seconds = std::time::Duration::from_secs(1);
    Criterion::default().sample_size(30).warm_up_time(seconds / 2).measurement_time(seconds * 2)
}

criterion_group! { name = benches; config = quick(); targets = whole, one_by_one, chunks, decision, sip_messages, binds, registrations, hostile }
criterion_main!(benches);
