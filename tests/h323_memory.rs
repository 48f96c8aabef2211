//! The memory that hostile H.323 takes: the most that reading one message may allocate.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a failed expectation is the point"
)]

mod counting;

use std::path::Path;

use counting::most;
use portward::inspect::h323::{Inspector, MESSAGE_LIMIT, OPENING_LIMIT, Opening};
use portward::relay::h323::answer::{frame, tunnel};

/// The message in a TPKT of at most `size` octets.
fn framed(information: &[u8], size: usize) -> Vec<u8> {
    let room = size - 13;
    frame(&[8, 2, 0, 0, 0x62], &information[..information.len().min(room)])
}

#[test]
fn a_message_costs_a_bounded_multiple_of_itself() {
    let mut inputs = Vec::new();
    for folder in ["captures", "vectors", "vectors/traps"] {
        for file in Path::new("tests/fixtures/h323").join(folder).read_dir().expect("fixtures") {
            let path = file.expect("a file").path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if !name.ends_with(".bin") {
                continue;
            }
            let octets = std::fs::read(&path).expect("readable");
            inputs.push(match name {
                _ if name.starts_with("ras") && octets.len() < 16_000 => tunnel(&[&octets]),
                _ if name.starts_with("ras") => framed(&octets, MESSAGE_LIMIT),
                _ if name.starts_with("uuie") => framed(&octets, MESSAGE_LIMIT),
                _ => octets,
            });
        }
    }
    assert!(inputs.len() > 35);
    // Lists that claim 64 Ki elements but have none.
    for list in [&[0x28, 0x10, 1, 0, 0x10, 0x81, 1, 0x80][..], &[0x20, 0x80], &[0x00, 0x10]] {
        inputs.push(framed(&[list, &[0xff; 60_000]].concat(), MESSAGE_LIMIT));
        inputs.push(framed(&[list, &[0x80; 60_000]].concat(), MESSAGE_LIMIT));
        inputs.push(framed(&[list, &[0xc4; 60_000]].concat(), MESSAGE_LIMIT));
    }
    // A Setup with as many aliases of its source as are kept, and one with more.
    let digit = |count: u16| [&(0x8000 | count).to_be_bytes()[..], &b"\x00\x00\x00".repeat(20_000)].concat();
    for count in [8_191, 8_192, 16_383] {
        let head = [0x00, 0x20, 6, 0, 8, 0x91, 0x4a, 0, 7];
        inputs.push(framed(&[&head, &digit(count)[..]].concat(), MESSAGE_LIMIT));
    }
    let (mut whole, mut opening) = (0, 0);
    let mut seed = 0x2545_f491_u32;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed as usize
    };
    for round in 0..60 {
        for input in &inputs {
            let mut octets = input.clone();
            let from = 9.min(octets.len() - 1);
            for _ in 0..round % 8 {
                let place = from + random() % (octets.len() - from);
                octets[place] = if random() % 2 == 0 { 0xc4 } else { random().to_le_bytes()[0] };
            }
            whole = whole.max(most(|| drop(Inspector::new(MESSAGE_LIMIT).inspect(&octets))));
            octets.truncate(OPENING_LIMIT);
            if octets.len() == OPENING_LIMIT {
                octets[2..4].copy_from_slice(&[0x40, 0]);
            }
            opening = opening.max(most(|| drop(Opening::default().inspect(&octets))));
        }
    }
    println!("{whole} bytes for a message, {opening} before the decision");
    assert!(whole.max(opening) <= 1 << 20);
}
