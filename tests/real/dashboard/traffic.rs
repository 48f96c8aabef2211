//! The clients of a busy Portward: browsers, phones, users of directories, other PBXs, scanners.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use portward::demo::ras;

use super::busy::{BIND_PASSWORD, Busy};
use crate::harness::directory::{answer, bind};
use crate::harness::sip::{next_message, request};
use crate::harness::{Message, Wire, h323};

/// The ports of a [`Busy`]. Clients may use them for longer than the borrow.
#[derive(Clone, Copy)]
pub struct Ports {
    http: u16,
    https: u16,
    sip: u16,
    sips: u16,
    ldap: u16,
    h323: u16,
}

impl Busy {
    /// The ports for clients.
    pub fn ports(&self) -> Ports {
        let port = |service| self.portward.port(service);
        Ports {
            http: self.portward.http,
            https: self.portward.https,
            sip: port("sip"),
            sips: port("sips"),
            ldap: port("ldap"),
            h323: port("h323"),
        }
    }
}

/// A connection whose client has this address, as conveyed by the balancer.
fn conveyed(client: &str, port: u16) -> Wire {
    let mut wire = Wire::plain(port);
    let ours = wire.local_port();
    let (family, end) = if client.contains(':') { ("TCP6", "2001:db8::1") } else { ("TCP4", "192.0.2.1") };
    // A blacklisted client's connection is closed by now.
    let _ = wire.try_send(format!("PROXY {family} {client} {end} {ours} {port}\r\n"));
    wire
}

impl Ports {
    /// A connection to the plain HTTP port.
    pub fn plain(&self, client: &str) -> Wire {
        conveyed(client, self.http)
    }

    /// A connection to the HTTPS port. `None`: this client is refused.
    pub fn secure(&self, client: &str, name: &str) -> Option<Wire> {
        let config = crate::harness::client_config(rustls::DEFAULT_VERSIONS);
        conveyed(client, self.https).try_into_tls(config, name).ok()
    }

    /// Sends one HTTPS request. Returns the answer, if there is one.
    pub fn get(&self, client: &str, host: &str, path: &str) -> Option<Message> {
        let mut wire = self.secure(client, host)?;
        let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
        wire.try_send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n")).ok()?;
        let head = wire.try_head();
        head.map(|mut head| {
            wire.body(&mut head, true);
            head
        })
    }

    /// Sends one plain HTTP request and waits for the end of the connection.
    pub fn send(&self, client: &str, request: &str) {
        let mut wire = self.plain(client);
        let _ = wire.try_send(request);
        wire.finish();
        wire.rest();
    }

    /// A phone that registers and stays connected.
    pub fn phone(&self, client: &str, who: &str, by_tls: bool) -> Option<Wire> {
        let mut wire = if by_tls {
            let config = crate::harness::client_config(rustls::DEFAULT_VERSIONS);
            conveyed(client, self.sips).try_into_tls(config, "dvl-ckl2.net").ok()?
        } else {
            conveyed(client, self.sip)
        };
        wire.try_send(request("REGISTER", who, "User-Agent: innovaphone-IP112/14r1\r\nExpires: 120\r\n"))
            .ok()?;
        next_message(&mut wire).filter(|answer| answer.status() == 200).map(|_| wire)
    }

    /// The same SIP request from a client that does not stay connected.
    pub fn sip(&self, client: &str, message: &str) {
        let mut wire = conveyed(client, self.sip);
        let _ = wire.try_send(message);
        wire.finish();
        wire.rest();
    }

    /// A user of the directory. The connection stays if the bind succeeds.
    pub fn book(&self, client: &str, name: &str) -> Option<Wire> {
        let mut wire = conveyed(client, self.ldap);
        wire.try_send(bind(1, name, BIND_PASSWORD)).ok()?;
        let first = wire.some();
        if first.is_empty() {
            return None;
        }
        wire.give_back(&first);
        let (code, _) = answer(&mut wire, 1);
        (code == ldap3_proto::proto::LdapResultCode::Success).then_some(wire)
    }

    /// A PBX or a device that registers by H.323 and stays connected.
    pub fn endpoint(&self, client: &str, gatekeeper: &str, alias: &str) -> Option<Wire> {
        let mut wire = conveyed(client, self.h323);
        wire.try_send(ras::request(1, gatekeeper, alias)).ok()?;
        h323::next_message(&mut wire).map(|_| wire)
    }

    /// Traffic of every kind, as within a few seconds of a working day. Returns the connections that stay.
    pub fn moment(&self, number: usize) -> Vec<Wire> {
        let mut staying = Vec::new();
        let home = format!("198.51.100.{}", 20 + number % 9);
        let office = ["203.0.113.40", "203.0.113.41", "2001:db8:40::17"][number % 3];
        for path in ["/PBX0/APPCLIENT/14r1/appclient.htm", "/PBX0/APPS/app_manager/137758/icon.svg"] {
            self.get(&home, "hq.dvl-ckl2.net", path);
        }
        self.get(office, "apps.dvl-ckl2.net", "/dvl-ckl2.net/users/users.htm");
        self.get(
            office,
            "demo.webtrit.example",
            ["/tenant/ABC/api/v1/session", "/tenant/XYZ/api/v1/user"][number % 2],
        );
        // Refusals come from many addresses, as in reality.
        let stray = format!("192.0.2.{}", 60 + number / 12 % 120);
        match number % 12 {
            0 => drop(self.get(&home, "branch-b.dvl-ckl2.net", "/PBX0/APPCLIENT/appclient.htm")),
            1 => staying.extend(self.book(office, "dvl-ckl2.net\\ldap-guest")),
            2 => staying.extend(self.endpoint(office, "dvl-ckl2.net", "branch-b")),
            3 => staying.extend(self.book(&home, "apps.dvl-ckl2.net\\contacts")),
            4 => drop(self.get(&stray, "old.dvl-ckl2.net", "/PBX0/APPS/")),
            5 => drop(self.get(office, "demo.webtrit.example", "/tenant/OLD/api/v1/session")),
            6 => self.sip(&stray, &request("REGISTER", "anna@dvl-ckl3.net", "")),
            7 => drop(self.book(&stray, "dvl-ckl.net\\ldap-guest")),
            8 => drop(self.endpoint(&stray, "hq", "009033410004")),
            9 => staying.extend(self.phone(&home, "ines@dvl-ckl2.net", number.is_multiple_of(2))),
            10 => drop(self.get(&stray, "hq.dvl-ckl2.net", "/PBX0/ADMIN/mod_cmd_login.xml")),
            _ => {}
        }
        staying
    }

    /// The phones of an office and of home workers, each with its name.
    pub fn phones(&self) -> Vec<(String, Wire)> {
        let names = ["anna", "bert", "carla", "daniel", "eva", "frank", "grit", "heinz"];
        let mut all = Vec::new();
        for (number, name) in names.iter().enumerate() {
            let client =
                if number < 5 { "203.0.113.40".to_owned() } else { format!("198.51.100.{}", 20 + number) };
            let who = format!("{name}@dvl-ckl2.net");
            let phone = self.phone(&client, &who, number % 2 == 0);
            all.extend(phone.map(|phone| (who, phone)));
        }
        let who = "user_x7@customer.s.2600hz.example";
        let phone = self.phone("2001:db8:50::8", who, false);
        all.extend(phone.map(|phone| (who.to_owned(), phone)));
        all
    }

    /// A scanner, until it is blacklisted.
    pub fn scanner(&self, client: &str) {
        for user in ["100", "1000", "admin", "test"] {
            let user = format!("{user}@192.0.2.1");
            self.sip(client, &request("REGISTER", &user, "User-Agent: friendly-scanner\r\n"));
        }
        for folder in ["/", "/admin/", "/cgi-bin/", "/old/"] {
            for file in [".env", ".git/config", "wp-login.php", "luci", "formLogin"] {
                let head = "Host: 192.0.2.1\r\nUser-Agent: Mozilla/5.0 zgrab/0.x";
                self.send(client, &format!("GET {folder}{file} HTTP/1.1\r\n{head}\r\n\r\n"));
            }
        }
    }
}

/// Clients that come and go until they are told to stop.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Wire>>>,
}

impl Traffic {
    /// Starts the traffic. `pace` is the pause between two moments. The traffic rises and falls.
    pub fn start(ports: Ports, pace: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut phones = ports.phones();
            let mut staying = Vec::new();
            let mut number = 0_usize;
            while !told.load(Ordering::Relaxed) {
                staying.extend(ports.moment(number));
                // Some connections are replaced after a while.
                if staying.len() > 15 {
                    staying.drain(..3);
                }
                // Phones register again before their registration ends.
                if number % 90 == 89 {
                    for (who, phone) in &mut phones {
                        phone.send(request("REGISTER", who, "Expires: 120\r\n"));
                        next_message(phone);
                    }
                }
                if number % 40 == 17 {
                    ports.scanner(&format!("203.0.113.{}", 190 + number / 40 % 30));
                }
                number += 1;
                // A day, within minutes.
                let wave = 1.0 + 0.45 * (number as f64 / 70.0).sin() + 0.2 * (number as f64 / 11.0).sin();
                thread::sleep(pace.mul_f64(wave));
            }
            staying.into_iter().chain(phones.into_iter().map(|(_, phone)| phone)).collect()
        });
        Self { stop, thread: Some(thread) }
    }

    /// Stops new clients. Returns the connected ones.
    pub fn stop(mut self) -> Vec<Wire> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(|thread| thread.join().unwrap()).unwrap_or_default()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sends that many requests on kept connections, as fast as they are answered or at this rate a second. Every tenth is
/// refused.
pub fn flood(ports: Ports, count: usize, rate: Option<f64>) {
    const CLIENTS: usize = 4;
    let start = Instant::now();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let address = format!("198.51.100.{}", 100 + client);
                let mut wire = ports.plain(&address);
                for number in (client..count).step_by(CLIENTS) {
                    if let Some(rate) = rate {
                        let due = start + Duration::from_secs_f64(number as f64 / rate);
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                    if number % 10 == 7 {
                        // This does not count against the client, because the host is disabled.
                        let _ = wire.try_send("GET /PBX0/x HTTP/1.1\r\nHost: old.dvl-ckl2.net\r\n\r\n");
                        wire.rest();
                        wire = ports.plain(&address);
                    } else {
                        let answer =
                            wire.get("hq.dvl-ckl2.net", &format!("/PBX0/APPS/app/{number}/icon.svg"));
                        assert_eq!(answer.status(), 200);
                    }
                }
            });
        }
    });
}
