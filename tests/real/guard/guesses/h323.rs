//! H.323: at a gatekeeper of our own, which confirms registrations of `good` and refuses all others for security.

use super::{SEEDS, address, is_served, judged, the_21st_lists};
use crate::harness::h323::next_message;
use crate::harness::{Portward, Target, Wire, within};
use portward::demo::ras;
use portward::relay::h323::answer::{PROTOCOL_IDENTIFIER, tunnel};

/// The RAS messages in a tunnel.
fn messages(octets: &[u8]) -> Vec<Vec<u8>> {
    const TUNNEL: [u8; 4] = [1, 0x40, 0, 17];
    let Some(at) = octets.windows(4).position(|part| part == TUNNEL) else { return Vec::new() };
    let mut rest = &octets[at + 6..];
    let mut all = Vec::new();
    while let [0x40, 0, 1, 0, length, more @ ..] = rest {
        let (length, more) = match length {
            0..0x80 => (usize::from(*length), more),
            _ => (usize::from(*length & 0x3f) << 8 | usize::from(more[0]), &more[1..]),
        };
        all.push(more[..length].to_vec());
        rest = &more[length..];
    }
    all
}

/// The only RAS message of a message.
fn raw(octets: &[u8]) -> Vec<u8> {
    messages(octets).remove(0)
}

/// The answer to a request.
fn answer(request: &[u8]) -> Vec<u8> {
    let number = [request[2], request[3]];
    let good: Vec<u8> = "good".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let is_good = request.windows(good.len()).any(|part| part == good);
    let (head, tail): ([u8; 2], &[u8]) = match (request[0], is_good) {
        (0x0c, true) => ([0x10, 0x00], &[0, 2, 0, b'e', 0, b'p']),
        (0x0c, false) => ([0x14, 0x00], &[0x83, 0x01, 0x00]),
        _ => ([0x08, 0x00], &[0x80, 0x01, 0x00]),
    };
    [&head, &number, &PROTOCOL_IDENTIFIER[..], tail].concat()
}

/// On even connections it answers all requests of a message in one message. On odd ones each gets its own, the last
/// request first.
fn gatekeeper() -> Target {
    Target::scripted(|conn| {
        while let Some(octets) = next_message(conn) {
            let answers: Vec<Vec<u8>> =
                messages(&octets).iter().rev().map(|request| answer(request)).collect();
            let answers: Vec<&[u8]> = answers.iter().map(Vec::as_slice).collect();
            let octets = match conn.number % 2 {
                0 => tunnel(&answers),
                _ => answers.iter().flat_map(|answer| tunnel(&[answer])).collect(),
            };
            if conn.try_send(octets).is_err() {
                return;
            }
        }
    })
}

fn start(web: &Target, gatekeeper: &Target) -> Portward {
    let rules = format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/open\", tcp = {} }}]\n\
         h323 = {{ tcp = {}, tls = false }}\n",
        web.port(),
        gatekeeper.port()
    );
    judged(&rules).start()
}

/// Reads that many answers, whether bundled or not. It reads fewer if the connection is closed.
fn read_answers(wire: &mut Wire, mut count: usize) {
    while count > 0 {
        let Some(octets) = next_message(wire) else { return };
        count = count.saturating_sub(messages(&octets).len());
    }
}

#[test]
fn c_h323_registrations_one_by_one() {
    within(90, || {
        let (web, gatekeeper) = (Target::named("here"), gatekeeper());
        let portward = start(&web, &gatekeeper);
        for number in 1..=SEEDS {
            let mut kept: Option<Wire> = None;
            let mut sequence = 0;
            the_21st_lists(&portward, number, |dice| {
                let connect = || Wire::plain_from(address(number), portward.port("h323"));
                let mut wire = kept.take().unwrap_or_else(connect);
                sequence += u16::try_from(dice.roll(2)).unwrap();
                let alias = *dice.one(&[&"a", &"b", &"admin"]);
                let mut octets = match dice.roll(4) {
                    0 => ras::discovery(sequence, "one.example.net"),
                    _ => ras::request(sequence, dice.one(&["one.example.net", "x@One.example.net"]), alias),
                };
                // A good registration follows.
                let behind = dice.roll(3);
                for _ in 0..behind {
                    octets.extend(ras::request(sequence, "one.example.net", "good"));
                }
                if wire.try_send(octets).is_err() {
                    return;
                }
                read_answers(&mut wire, 1 + behind);
                if dice.roll(2) == 0 {
                    kept = Some(wire);
                }
            });
        }
    });
}

#[test]
fn c_h323_twenty_one_registrations_in_one_message_and_in_one_segment() {
    within(60, || {
        for (number, bundled) in [(1, true), (2, true), (3, false), (4, false)] {
            let (web, gatekeeper) = (Target::named("here"), gatekeeper());
            let portward = start(&web, &gatekeeper);
            // The first connection is even, the second one is odd.
            if number % 2 == 0 {
                let mut first = Wire::plain_from(address(9), portward.port("h323"));
                first.send(ras::request(1, "one.example.net", "good"));
                read_answers(&mut first, 1);
            }
            let requests = |count: u16| -> Vec<Vec<u8>> {
                (1..=count).map(|sequence| ras::request(sequence, "one.example.net", "a")).collect()
            };
            let send = |wire: &mut Wire, count: u16| {
                let requests = requests(count);
                let raw: Vec<Vec<u8>> = requests.iter().map(|request| raw(request)).collect();
                let raw: Vec<&[u8]> = raw.iter().map(Vec::as_slice).collect();
                wire.send(if bundled { tunnel(&raw) } else { requests.concat() });
                read_answers(wire, usize::from(count));
            };
            let from = address(number);
            let mut wire = Wire::plain_from(from, portward.port("h323"));
            send(&mut wire, 20);
            assert!(is_served(&portward, from), "{number}: 20 do not list it");
            send(&mut wire, 1);
            assert!(!is_served(&portward, from), "{number}");
        }
    });
}

#[test]
fn c_h323_one_account_is_one_name_and_its_connection_no_refuge() {
    within(60, || {
        let (web, gatekeeper) = (Target::named("here"), gatekeeper());
        let portward = start(&web, &gatekeeper);
        let mut phone = Wire::plain_from(address(1), portward.port("h323"));
        phone.send(ras::request(1, "one.example.net", "good"));
        read_answers(&mut phone, 1);
        let mut wire = Wire::plain_from(address(1), portward.port("h323"));
        // After a good registration comes one with another name, which the gatekeeper refuses. Each of these is an
        // offence: the good one's confirmation is not for the other name.
        for round in 0..10 {
            let two = [
                ras::request(2 * round + 1, "one.example.net", "good"),
                ras::request(2 * round + 2, "one.example.net", &format!("other{round}")),
            ];
            wire.send(two.concat());
            read_answers(&mut wire, 2);
        }
        for (sequence, spelling) in [(50, "good@two.example.net"), (51, "x:good"), (52, "good ")] {
            wire.send(ras::request(sequence, "one.example.net", spelling));
            read_answers(&mut wire, 1);
        }
        for sequence in 60..70 {
            wire.send(ras::request(sequence, "one.example.net", "a"));
            read_answers(&mut wire, 1);
        }
        assert!(is_served(&portward, address(1)), "20 do not list it");
        wire.send(ras::request(80, "one.example.net", "a"));
        assert!(next_message(&mut wire).is_none() || next_message(&mut wire).is_none());
        assert!(!is_served(&portward, address(1)));
        phone.send(ras::request(2, "one.example.net", "good"));
        assert!(next_message(&mut phone).is_some(), "the other connection stays");
    });
}
