//! Streams cut in every way, and long ones.

use std::time::Duration;

use ldap3_proto::proto::LdapResultCode::Success;
use ldap3_proto::proto::{LdapAddRequest, LdapAttribute, LdapOp};

use super::{Front, host, plain_host};
use crate::harness::directory::{answer, bind, directory, encode, entries, found, search, start_tls, unbind};
use crate::harness::{PASSWORD, Slapd, Target, eventually, within};

const HQ: &str = "dc=dvl-ckl2,dc=net";

#[test]
fn bind_and_search_in_one_segment_and_one_byte_at_a_time() {
    within(60, || {
        let hq = Slapd::start("hq", HQ, 20);
        let front =
            Front::with_rules(&host("dvl-ckl2.net", &format!("tcp = {}, tls = {}", hq.plain, hq.tls)));
        let who = format!("cn=contacts,{HQ}");
        let talk = [bind(1, &who, PASSWORD), search(2, HQ), search(3, HQ)].concat();
        for tls in [false, true] {
            let mut client = if tls { front.tls() } else { front.plain() };
            client.send(&talk);
            assert_eq!(answer(&mut client, 1).0, Success);
            // slapd may answer them in any order. Both answers are complete.
            assert_eq!(entries_of_both(&mut client), 2 * 23);
            client.send(unbind(4));
            assert_eq!(client.rest(), b"");
        }
        let mut client = front.plain();
        client.send_pieces(start_tls(9).chunks(1), Duration::from_millis(1));
        assert_eq!(answer(&mut client, 9).0, Success);
        let mut client = client.into_tls("dvl-ckl2.net");
        let talk = [bind(1, &who, PASSWORD), search(2, HQ)].concat();
        client.send_pieces(talk.chunks(1), Duration::from_millis(1));
        assert_eq!(answer(&mut client, 1).0, Success);
        assert_eq!(entries(&mut client, 2), (23, Success));
    });
}

fn entries_of_both(client: &mut crate::harness::Wire) -> usize {
    let (mut found, mut done) = (0, 0);
    while done < 2 {
        match crate::harness::directory::next(client).expect("closed").op {
            LdapOp::SearchResultEntry(_) => found += 1,
            LdapOp::SearchResultDone(_) => done += 1,
            other => panic!("{other:?}"),
        }
    }
    found
}

/// A search waits for the answer to the bind before it. It waits at Portward, not at the directory.
#[test]
fn nothing_overtakes_a_bind() {
    within(60, || {
        let gate = std::sync::Arc::new(std::sync::Mutex::new(()));
        let locked = gate.lock().unwrap();
        let held = std::sync::Arc::clone(&gate);
        let target = Target::scripted(move |conn| {
            conn.some();
            drop(held.lock().unwrap());
            let response = ldap3_proto::proto::LdapBindResponse {
                res: crate::harness::directory::result(Success),
                saslcreds: None,
            };
            conn.send(encode(1, LdapOp::BindResponse(response)));
            while !conn.some().is_empty() {}
        });
        let front = Front::with_rules(&plain_host("dvl-ckl2.net", target.port()));
        let (first, second) = (bind(1, "a@dvl-ckl2.net", PASSWORD), search(2, ""));
        let mut client = front.plain();
        client.send([&first[..], &second].concat());
        eventually("the bind arrives", || target.bytes() >= first.len());
        // More octets than any buffer takes: the client is slowed down, not cut off.
        let mut flood = front.plain();
        let mut waiting = 0;
        flood.set_write_patience(Duration::from_secs(1));
        flood.send([&first[..], &second.repeat(4000)].concat());
        while waiting < 64 * 1024 * 1024 && flood.try_send(second.repeat(100)).is_ok() {
            waiting += second.len() * 100;
        }
        assert!(waiting < 64 * 1024 * 1024, "all of it was taken");
        assert!(front.portward.memory("VmRSS") < 200_000);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(target.bytes(), 2 * first.len());
        drop(locked);
        assert_eq!(answer(&mut client, 1).0, Success);
        eventually("the search arrives", || target.bytes() >= 2 * first.len() + second.len());
    });
}

/// A client that has closed its side gets every answer, even to requests that had to wait.
#[test]
fn a_client_may_close_its_side_behind_its_last_request() {
    within(60, || {
        let target = directory(&["a@dvl-ckl2.net"], PASSWORD, 3);
        let front = Front::with_rules(&plain_host("dvl-ckl2.net", target.port()));
        for tls in [false, true] {
            let mut client = if tls { front.tls() } else { front.plain() };
            client.send([bind(1, "a@dvl-ckl2.net", PASSWORD), search(2, ""), unbind(3)].concat());
            client.finish();
            assert_eq!(answer(&mut client, 1).0, Success);
            assert_eq!(entries(&mut client, 2), (3, Success));
            assert_eq!(client.rest(), b"");
        }
    });
}

/// Requests of any size and with any content pass when the gate is open, and so do answers.
#[test]
fn large_messages_stream_both_ways() {
    within(60, || {
        const PHOTO: usize = 8 * 1024 * 1024;
        let hq = Slapd::start("hq", HQ, 1);
        let front =
            Front::with_rules(&host("dvl-ckl2.net", &format!("tcp = {}, tls = {}", hq.plain, hq.tls)));
        let mut client = front.tls();
        // Only the directory's own right allows to add entries. So slapd refuses, and the answer is slapd's.
        client.send(bind(1, &format!("cn=contacts,{HQ}"), PASSWORD));
        assert_eq!(answer(&mut client, 1).0, Success);
        let attribute =
            |name: &str, value: Vec<u8>| LdapAttribute { atype: name.to_owned(), vals: vec![value] };
        let photo = attribute("jpegPhoto", vec![b'p'; PHOTO]);
        let class = attribute("objectClass", b"inetOrgPerson".to_vec());
        let add = LdapAddRequest { dn: format!("cn=large,{HQ}"), attributes: vec![class, photo] };
        client.send(encode(2, LdapOp::AddRequest(add)));
        let LdapOp::AddResponse(result) = crate::harness::directory::next(&mut client).unwrap().op else {
            panic!()
        };
        assert_ne!(result.code, Success);
        // The other direction: some MiB in 100,000 entries, from a directory that is quicker than its reader.
        let many = directory(&["a@dvl-ckl2.net"], PASSWORD, 100_000);
        let front = Front::with_rules(&plain_host("dvl-ckl2.net", many.port()));
        let mut client = front.plain();
        client.send([bind(1, "a@dvl-ckl2.net", PASSWORD), search(2, "")].concat());
        assert_eq!(answer(&mut client, 1).0, Success);
        let expected = u64::try_from(found(2, 100_000).len()).unwrap();
        assert_eq!(client.swallow(expected), expected);
    });
}
