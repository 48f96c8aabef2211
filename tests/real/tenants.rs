//! Issue 21, item 1: hosts of tenants, and what happens to them when a tenant above is disabled (contract section 9).

use ldap3_proto::proto::LdapResultCode::Success;
use portward::demo::ras;

use crate::harness::directory::{answer, bind, directory};
use crate::harness::h323::{confirmed_by, gatekeeper};
use crate::harness::sip::{next_message, pbx, request};
use crate::harness::{PASSWORD, Portward, Target, Wire, eventually, within};

const KNOWN: &[&str] = &["a@below.example", "a@beside.example"];

/// One target for every service, which is that of the root tenant.
struct Inside {
    web: Target,
    phone: Target,
    book: Target,
    keeper: Target,
}

impl Inside {
    fn new() -> Self {
        Self {
            web: Target::named("here"),
            phone: pbx("here"),
            book: directory(KNOWN, PASSWORD, 1),
            keeper: gatekeeper("here"),
        }
    }

    /// `below.example` is two levels below the operator. `beside.example` is below another reseller.
    fn rules(&self, reseller: &str) -> String {
        let host = |name: &str, tenant: &str| {
            format!(
                "[[host]]\nname = \"{name}\"\ntenant = \"{tenant}\"\nhttp = [{{ path = \"/\", tcp = {} }}]\n\
                 sip = {{ tcp = {}, tls = false }}\nldap = {{ tcp = {}, tls = false }}\nh323 = {{ tcp = {}, tls = false }}\n",
                self.web.port(),
                self.phone.port(),
                self.book.port(),
                self.keeper.port()
            )
        };
        host("below.example", "customer")
            + &host("beside.example", "other")
            + &format!(
                "[tenant.customer]\nparent = [\"operator\", \"reseller\"]\n\
                 [tenant.other]\nparent = \"operator\"\n\
                 [tenant.reseller]\nparent = \"operator\"\n{reseller}\n\
                 [tenant.operator]\ntarget = \"127.0.0.1\"\n"
            )
    }

    fn connections(&self) -> [usize; 4] {
        [&self.web, &self.phone, &self.book, &self.keeper].map(Target::connections)
    }

    /// All services of `host` are served.
    fn serves(portward: &Portward, host: &str) {
        assert_eq!(portward.plain().get(host, "/x").text(), "here");
        let mut phone = Wire::plain(portward.port("sip"));
        phone.send(request("REGISTER", &format!("a@{host}"), ""));
        assert_eq!(next_message(&mut phone).unwrap().status(), 200);
        let mut book = Wire::plain(portward.port("ldap"));
        book.send(bind(1, &format!("a@{host}"), PASSWORD));
        assert_eq!(answer(&mut book, 1).0, Success);
        let mut device = Wire::plain(portward.port("h323"));
        device.send(ras::request(7, host, "009033410004"));
        assert_eq!(confirmed_by(&mut device), "here");
    }

    /// No service of `below.example` is served. Browsers and phones are told so although other refusals get no answer.
    fn refuses(portward: &Portward) {
        let mark = portward.mark();
        let mut browser = portward.plain();
        assert_eq!(browser.get("below.example", "/x").status(), 403);
        portward.decision_after(mark, &["http://below.example GET", "rejected: disabled"]);
        assert_eq!(browser.get("beside.example", "/x").text(), "here", "the connection stays");
        for method in ["REGISTER", "INVITE", "OPTIONS"] {
            let mut phone = Wire::plain(portward.port("sip"));
            phone.send(request(method, "a@below.example", ""));
            assert_eq!(next_message(&mut phone).unwrap().status(), 403, "{method}");
            assert!(phone.rest().is_empty());
        }
        let mut book = Wire::plain(portward.port("ldap"));
        book.send(bind(1, "a@below.example", PASSWORD));
        assert!(book.rest().is_empty());
        let mut device = Wire::plain(portward.port("h323"));
        device.send(ras::request(7, "below.example", "009033410004"));
        assert!(device.rest().is_empty());
    }
}

fn started(inside: &Inside, reseller: &str) -> Portward {
    let setup = Portward::rules(&inside.rules(reseller)).set("limits.drain_timeout", "\"2s\"");
    setup.listen("sip").listen("ldap").listen("h323").start()
}

#[test]
fn item_1_hosts_without_a_target_use_that_of_the_nearest_tenant_above() {
    within(60, || {
        let inside = Inside::new();
        let portward = started(&inside, "");
        Inside::serves(&portward, "below.example");
        Inside::serves(&portward, "beside.example");
    });
}

#[test]
fn item_1_a_disabled_parent_disables_what_is_below_it_over_every_service() {
    within(60, || {
        let inside = Inside::new();
        let portward = started(&inside, "enabled = false");
        // Each round makes seven refusals. 21 suspicious ones in a minute would list the address.
        for _ in 0..5 {
            Inside::refuses(&portward);
        }
        assert_eq!(inside.connections()[1..], [0, 0, 0], "only the other host's requests went inside");
        Inside::serves(&portward, "beside.example");
    });
}

#[test]
fn item_1_disabling_a_parent_refuses_new_requests_at_once_and_ends_what_is_open() {
    within(60, || {
        let inside = Inside::new();
        let portward = started(&inside, "");
        let register = |host: &str| {
            let mut phone = Wire::plain(portward.port("sip"));
            phone.send(request("REGISTER", &format!("a@{host}"), ""));
            assert_eq!(next_message(&mut phone).unwrap().status(), 200);
            phone
        };
        let (mut below, mut beside) = (register("below.example"), register("beside.example"));
        portward.write_rules(&inside.rules("enabled = false"));
        portward.hang_up();
        let mut browser = portward.plain();
        eventually("the reload takes effect", || browser.get("below.example", "/x").status() == 403);
        below.send(request("REGISTER", "a@below.example", ""));
        assert_eq!(next_message(&mut below).unwrap().status(), 403);
        assert!(below.rest().is_empty(), "it ends when the drain time is over");
        beside.send(request("REGISTER", "a@beside.example", ""));
        assert_eq!(next_message(&mut beside).unwrap().status(), 200);
        Inside::refuses(&portward);
    });
}
