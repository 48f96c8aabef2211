//! The pages of docs about PBXs of other makers, tried: the very text of a page is what the PBX is started with.

use std::fs;

use crate::harness::kamailio::{Kamailio, PASSWORD};
use crate::harness::pjsip::{Pjsip, Proxy};
use crate::harness::{Portward, free_port, within};

const PAGE: &str = "docs/kamailio.md";
const DOMAIN: &str = "example.net";

/// The blocks of the page behind such a fence.
fn blocks(word: &str) -> Vec<String> {
    let page = fs::read_to_string(PAGE).unwrap();
    let fence = format!("\n```{word}\n");
    let blocks = page.split(&fence).skip(1).map(|rest| rest.split_once("\n```\n").unwrap().0.to_owned());
    blocks.collect()
}

/// The page's rules for Kamailio: the block that has this and a rule for SIP, at the ports where Kamailio listens here.
fn rules(kamailio: &Kamailio, with_proxy_protocol: bool) -> String {
    let is_meant =
        |text: &String| text.contains("sip = {") && text.contains("proxy_protocol") == with_proxy_protocol;
    let block = blocks("toml").into_iter().find(is_meant).unwrap();
    let here = block.replace("172.31.31.2", "127.0.0.1");
    here.replace("5060", &kamailio.plain.to_string()).replace("5061", &kamailio.tls.to_string())
}

/// A Kamailio with the page's configuration: only addresses, files and passwords are those of this machine.
fn kamailio(with_proxy_protocol: bool) -> Kamailio {
    let blocks = blocks("kamailio");
    let [config, proxy_protocol] = &blocks[..] else { panic!("{} blocks", blocks.len()) };
    Kamailio::of_page(DOMAIN, |[plain, tls], folder, modules| {
        let mut text = config
            .replace("172.31.31.2:5060", &format!("127.0.0.1:{plain}"))
            .replace("172.31.31.2:5061", &format!("127.0.0.1:{tls}"))
            .replace("/etc/kamailio", &folder.display().to_string())
            .replace('…', PASSWORD)
            .replace("loadmodule \"tls.so\"", &format!("mpath=\"{modules}\"\nloadmodule \"tls.so\""));
        if with_proxy_protocol {
            text = text.replace("enable_tls=yes", &format!("enable_tls=yes\n{proxy_protocol}"));
        }
        text + "\n"
    })
}

/// A telephone outside registers through Portward. Calls from inside reach it on its connection, and its own calls reach a telephone
/// inside. Either side hangs up.
fn a_telephone_calls_and_is_called(transport: &'static str, with_proxy_protocol: bool) {
    within(100, move || {
        let kamailio = kamailio(with_proxy_protocol);
        let outside = free_port();
        let service = if transport == "tls" { "sips" } else { "sip" };
        let address = format!("\"127.0.0.1:{outside}\"");
        let portward = Portward::rules(&rules(&kamailio, with_proxy_protocol))
            .set(&format!("listen.{service}"), &address)
            .set("sip.public_address", &address)
            .set("log.forwarded", "\"all\"")
            .start();
        let alice = Pjsip::answering("alice", PASSWORD, Proxy { domain: DOMAIN, port: outside, transport });
        alice.registered();
        let port = if transport == "tls" { kamailio.tls } else { kamailio.plain };
        let to = format!("-> 127.0.0.1:{port}");
        portward.decision(&[&format!(":alice@{DOMAIN} REGISTER"), &to]);
        let inside = Proxy { domain: DOMAIN, port: kamailio.plain, transport: "tcp" };
        for bob_hangs_up in [true, false] {
            let mark = alice.mark();
            let bob = Pjsip::calling("bob", PASSWORD, inside, &format!("sip:alice@{DOMAIN}"), bob_hangs_up);
            // It comes from the port to which the telephone is connected.
            alice.says(mark, &format!("INVITE FROM 127.0.0.1:{outside}"));
            for phone in [(&alice, mark), (&bob, 0)] {
                phone.0.says(phone.1, "CALL IS UP");
                phone.0.says(phone.1, "CALL ENDED 200");
            }
        }
        // And the other way.
        let bob = Pjsip::answering("bob", PASSWORD, inside);
        bob.registered();
        let outside = Proxy { domain: DOMAIN, port: outside, transport };
        for alice_hangs_up in [true, false] {
            let mark = bob.mark();
            let alice =
                Pjsip::calling("alice", PASSWORD, outside, &format!("sip:bob@{DOMAIN}"), alice_hangs_up);
            bob.says(mark, &format!("INVITE FROM 127.0.0.1:{}", kamailio.plain));
            for phone in [(&bob, mark), (&alice, 0)] {
                phone.0.says(phone.1, "CALL IS UP");
                phone.0.says(phone.1, "CALL ENDED 200");
            }
        }
        portward.assert_alive();
    });
}

#[test]
fn item_5_kamailio_s_page_calls_a_telephone_of_pjsip_by_tcp() {
    a_telephone_calls_and_is_called("tcp", false);
}

#[test]
fn item_5_kamailio_s_page_calls_a_telephone_of_pjsip_by_tls() {
    a_telephone_calls_and_is_called("tls", false);
}

/// Kamailio then knows the telephone's own address, and finds the connection all the same.
#[test]
fn item_5_kamailio_s_page_calls_a_telephone_whose_address_the_proxy_protocol_tells() {
    a_telephone_calls_and_is_called("tcp", true);
    a_telephone_calls_and_is_called("tls", true);
}
