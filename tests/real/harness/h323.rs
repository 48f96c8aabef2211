//! H.323 messages, gatekeepers that tell their names, and pycrate and tshark as second opinions.

use std::fs;
use std::path::Path;
use std::process::Command;

use portward::demo::ras;
use portward::inspect::Inspect;
use portward::inspect::h323::{Ask, Inspector, MESSAGE_LIMIT, size};
use portward::relay::h323::answer::{PROTOCOL_IDENTIFIER, frame, tunnel};

use super::{Child, Target, Wire, eventually, program, python};

/// An empty TPKT.
pub const KEEP_ALIVE: [u8; 4] = [3, 0, 0, 4];

/// A message of the fixtures.
pub fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new("tests/fixtures/h323").join(name)).unwrap()
}

/// A Setup whose destination has this h323-ID.
pub fn setup(destination: &str) -> Vec<u8> {
    let mut user = vec![0x00, 0x10];
    user.extend(PROTOCOL_IDENTIFIER);
    user.extend([0x02, 0x00, 1, 0x40]);
    user.push(u8::try_from(destination.encode_utf16().count() - 1).unwrap());
    user.extend(destination.encode_utf16().flat_map(u16::to_be_bytes));
    user.push(0);
    user.extend([0xc0; 16]);
    user.push(0);
    frame(&[8, 2, 0x12, 0x34, 0x05, 0x04, 0x03, 0x80, 0x90, 0xa5], &user)
}

/// The keep-alives of gatekeepers and endpoints.
pub fn keep_alives() -> Vec<Vec<u8>> {
    vec![
        KEEP_ALIVE.to_vec(),
        vec![3, 0, 0, 9, 8, 2, 0, 0, 0x75],
        vec![3, 0, 0, 0x0b, 8, 2, 0, 0, 0x62, 0x1c, 0],
        vec![3, 0, 0, 9, 8, 2, 0, 0, 0x6e],
        vec![3, 0, 0, 0x10, 8, 2, 0, 0, 0x7d, 8, 2, 0x80, 0x9e, 0x14, 1, 0],
        vec![3, 0, 0, 9, 8, 2, 0, 0, 0x7b],
    ]
}

/// A keep-alive RegistrationRequest for this gatekeeper.
pub fn keep_alive_at(identifier: &str) -> Vec<u8> {
    // No nonStandardData, no aliases, an identifier. It is extended.
    let mut ras = vec![0x0e, 0x40, 0, 6];
    ras.extend(PROTOCOL_IDENTIFIER);
    // Not discovered, no addresses, a terminal. In the next seven bits follows the identifier's length.
    ras.extend([0, 0, 0, 2]);
    let length = u16::try_from(identifier.encode_utf16().count() - 1).unwrap();
    ras.extend((length << 6).to_be_bytes());
    ras.extend(identifier.encode_utf16().flat_map(u16::to_be_bytes));
    // The vendor. Of six additions only the last one is present.
    ras.extend([0, 4, 0, 0, 0, 0x0a, 0x08, 1, 0x80]);
    tunnel(&[&ras])
}

/// Registrations at `dvl-ckl2.net` in forms that other readers accept and no device sends.
pub fn hidden() -> Vec<(&'static str, Vec<u8>)> {
    let usual = ras::request(1, "dvl-ckl2.net", "boss");
    let at = |from: usize, to: usize, octets: &[u8]| {
        let signal = [&usual[4..from], octets, &usual[to..]].concat();
        let mut signal = signal;
        // Where the User-user element begins, and its new length.
        let start = signal.windows(2).position(|part| part == [0x7e, 0]).unwrap();
        let length = u16::try_from(signal.len() - start - 3).unwrap().to_be_bytes();
        signal[start + 1..start + 3].copy_from_slice(&length);
        let length = u16::try_from(signal.len() + 4).unwrap().to_be_bytes();
        [&[3, 0], &length[..], &signal].concat()
    };
    // Here the octets of the information begin. The bitmap of additions is six octets later.
    let user = 4 + 5 + 4;
    let open = user + 8;
    let len = usual.len();
    let shift = |octet: u8| {
        let signal = [&usual[4..9], &[octet], &usual[9..]].concat();
        [&[3, 0], &u16::try_from(signal.len() + 4).unwrap().to_be_bytes()[..], &signal].concat()
    };
    vec![
        ("the large form of the bitmap", fixture("hidden/large_form.bin")),
        ("a large form of a small index", at(user, user + 4, &[0x2c, 0, 1, 1, 1, 0])),
        ("a fragment", at(open, open, &[0xc1])),
        ("a longer length", at(open, open + 1, &[0x80, usual[open]])),
        ("an open type that is too long", at(user + 2, user + 4, &[2, 0, 0])),
        ("an open type that is too short", at(open, open + 1, &[4])),
        ("another message behind it", at(len, len, &usual[user..])),
        ("the map of a later version", at(user + 4, user + 6, &[0x12, 0x80, 0x20])),
        ("another codeset", shift(0x96)),
        ("another discriminator", at(user - 1, user, &[4])),
        ("another protocol", at(4, 5, &[9])),
        ("a part of a message", at(8, 9, &[0x60])),
        ("an escape", at(8, 9, &[0])),
        ("two elements", {
            let signal = [&usual[4..], &usual[9..]].concat();
            [&[3, 0], &u16::try_from(signal.len() + 4).unwrap().to_be_bytes()[..], &signal].concat()
        }),
    ]
}

/// The next message of the other side. `None`: the connection is closed.
pub fn next_message(wire: &mut Wire) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    loop {
        if let Some(&[_, _, high, low]) = octets.first_chunk() {
            let size = usize::from(u16::from_be_bytes([high, low]));
            if octets.len() >= size {
                wire.give_back(&octets[size..]);
                octets.truncate(size);
                return Some(octets);
            }
        }
        let more = wire.some();
        if more.is_empty() {
            assert!(octets.is_empty(), "closed within a message: {octets:02x?}");
            return None;
        }
        octets.extend(more);
    }
}

/// A gatekeeper that confirms every registration as `name`.
pub fn gatekeeper(name: &'static str) -> Target {
    Target::scripted(move |conn| serve(conn, name))
}

/// Serves one connection of [`gatekeeper`].
pub fn serve(wire: &mut Wire, name: &str) {
    while let Some(octets) = next_message(wire) {
        if let Inspect::Found { ask: Ask::Registration(registration), .. } =
            Inspector::new(MESSAGE_LIMIT).inspect(&octets)
            && wire.try_send(ras::confirm(&registration, name)).is_err()
        {
            return;
        }
    }
}

/// The name of the confirming gatekeeper. The test fails if there is no confirmation.
pub fn confirmed_by(wire: &mut Wire) -> String {
    let answer = next_message(wire).expect("an answer");
    ras::confirmed_by(&answer).unwrap_or_else(|| panic!("{answer:02x?}"))
}

fn peer(args: &[&str]) -> Command {
    let mut command = Command::new(python());
    command.arg("-u").arg("tests/real/h323/peer.py").args(args);
    command
}

/// What pycrate reads in a message.
pub fn read_by_pycrate(octets: &[u8]) -> serde_json::Value {
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let output = peer(&["read", &hex]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A gatekeeper by pycrate.
pub struct Gatekeeper {
    /// Its port.
    pub port: u16,
    child: Child,
}

impl Gatekeeper {
    /// Starts one. With the files of a chain and a key it uses TLS.
    pub fn start(files: &[&str]) -> Self {
        let child = Child::start(&mut peer(&[&["gatekeeper"], files].concat()));
        let mut port = None;
        eventually("the gatekeeper listens", || {
            port = child.lines().iter().find_map(|line| line.strip_prefix("port ")?.parse().ok());
            port.is_some()
        });
        Self { port: port.unwrap(), child }
    }

    /// Waits for a line about a message that it has read.
    pub fn line(&self, parts: &[&str]) -> String {
        self.child.line_after(0, parts)
    }
}

/// tshark's summary of each message in octets of a call signalling connection. The test fails if one is malformed.
pub fn dissected(octets: &[u8]) -> String {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("h323.pcap");
    // pcap with raw IP, and one segment after the other (RFC 791 §3.1, RFC 9293 §3.1).
    let mut pcap = [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 0x0004_0000, 101].map(u32::to_be_bytes).concat();
    let mut sequence = 1_u32;
    let mut rest = octets;
    while !rest.is_empty() {
        // Each message has its own segment, because tshark misreads a segment that begins with an empty TPKT.
        let (segment, more) = rest.split_at(size(rest).unwrap().unwrap());
        rest = more;
        let length = u16::try_from(segment.len() + 40).unwrap();
        let mut packet = vec![0x45, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0x9c, 0x40, 0x06, 0xb8]);
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(segment);
        sequence += u32::try_from(segment.len()).unwrap();
        pcap.extend([sequence, 0, u32::from(length), u32::from(length)].map(u32::to_be_bytes).concat());
        pcap.extend(packet);
    }
    fs::write(&file, pcap).unwrap();
    let output = Command::new(program("tshark", "tshark"))
        .args(["-V", "-r"])
        .arg(&file)
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.to_lowercase().contains("malformed"), "{text}");
    text
}
