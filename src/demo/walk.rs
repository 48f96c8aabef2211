//! The walk: a table of requests with the expected results. Each request is shown with its decision line.

mod browsers;
mod directory;
mod signalling;

use tokio::sync::mpsc::UnboundedReceiver;

use super::decisions::next_decision;
use super::network::Network;
use super::visitor::{Answer, Visitor};
use crate::service::{Service, Transport};

/// A step of the walk.
struct Step {
    /// What the step demonstrates.
    shows: &'static str,
    transport: Transport,
    /// For TLS: the name that the client connects to.
    name: &'static str,
    /// The bytes that the client sends. Several requests are sent on one connection.
    requests: &'static [(&'static str, Expected)],
}

/// The expected result of a request.
enum Expected {
    /// The machine with this name answers, and the decision line contains this text.
    From(&'static str, &'static str),
    /// Portward itself answers with this status, and the decision line has this reason.
    Status(u16, &'static str),
    /// The connection is closed without a byte, and the decision line has this reason.
    Closed(&'static str),
}

use Expected::{Closed, From, Status};

const STEPS: &[Step] = &[
    Step {
        shows: "A phone's app asks the master PBX, plain: it goes to the PBX's plain port",
        transport: Transport::Plain,
        name: "hq.dvl-ckl2.net",
        requests: &[(
            "GET /PBX0/APPCLIENT/137758/appclient.htm HTTP/1.1\r\nHost: hq.dvl-ckl2.net\r\n\r\n",
            From("master PBX", "-> 127.31.31.2:"),
        )],
    },
    Step {
        shows: "The same by HTTPS: it goes to the PBX's TLS port; three machines on one connection, one decision a request",
        transport: Transport::Tls,
        name: "hq.dvl-ckl2.net",
        requests: &[
            (
                "GET /PBX0/APPS/app_manager/137758/ManagerRPs.css HTTP/1.1\r\nHost: hq.dvl-ckl2.net\r\n\r\n",
                From("master PBX", "-> 127.31.31.2:"),
            ),
            (
                "GET /PBX0/session HTTP/1.1\r\nHost: branch-b.dvl-ckl2.net\r\n\r\n",
                From("slave PBX", "-> 127.31.31.3:"),
            ),
            (
                "GET /dvl-ckl2.net/usersapp/picture?sip=ckl HTTP/1.1\r\nHost: apps.dvl-ckl2.net\r\n\r\n",
                From("app platform", "picture?… HTTP/1.1 -> 127.31.31.12:"),
            ),
        ],
    },
    Step {
        shows: "A path that no rule has: 404, even behind an allowed request on the same connection",
        transport: Transport::Tls,
        name: "hq.dvl-ckl2.net",
        requests: &[
            (
                "GET /PBX0/APPS/x HTTP/1.1\r\nHost: hq.dvl-ckl2.net\r\n\r\n",
                From("master PBX", "-> 127.31.31.2:"),
            ),
            ("GET /PBX0/config HTTP/1.1\r\nHost: hq.dvl-ckl2.net\r\n\r\n", Status(404, "rejected: no-path")),
        ],
    },
    Step {
        shows: "A way around the rule for /PBX0/APPS: closed without a byte",
        transport: Transport::Tls,
        name: "hq.dvl-ckl2.net",
        requests: &[(
            "GET /PBX0/APPS/%2e%2e/config HTTP/1.1\r\nHost: hq.dvl-ckl2.net\r\n\r\n",
            Closed("rejected: unsafe-path"),
        )],
    },
    Step {
        shows: "A scanner that knows the address only",
        transport: Transport::Tls,
        name: "hq.dvl-ckl2.net",
        requests: &[(
            "GET /boaform/admin HTTP/1.1\r\nHost: 203.0.113.9\r\n\r\n",
            Closed("rejected: unknown-host"),
        )],
    },
    Step {
        shows: "A request with two lengths, to smuggle a second one past the rules",
        transport: Transport::Plain,
        name: "hq.dvl-ckl2.net",
        requests: &[(
            "POST /PBX0/APPS/ HTTP/1.1\r\nHost: hq.dvl-ckl2.net\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Closed("rejected: malformed"),
        )],
    },
    Step {
        shows: "An app for the customers of many PBXs: the path names the customer, whose adapter gets the rest and a field",
        transport: Transport::Tls,
        name: "demo.webtrit.example",
        requests: &[
            (
                "GET /tenant/XYZ/api/v1/session HTTP/1.1\r\nHost: demo.webtrit.example\r\n\r\n",
                From(
                    "Asterisk adapter (172.31.31.21). You asked for GET /api/v1/session with X-WebTrit-Tenant-ID: XYZ",
                    "-> 127.31.31.21:",
                ),
            ),
            (
                "GET /tenant/NEW/api/v1/session HTTP/1.1\r\nHost: demo.webtrit.example\r\n\r\n",
                From(
                    "PortaSwitch adapter (172.31.31.22). You asked for GET /api/v1/session with X-WebTrit-Tenant-ID: NEW",
                    "-> 127.31.31.22:",
                ),
            ),
            (
                "GET /api/v1/session HTTP/1.1\r\nHost: demo.webtrit.example\r\n\r\n",
                From("PortaSwitch adapter", "-> 127.31.31.22:"),
            ),
        ],
    },
    Step {
        shows: "An application that marketplaces sell: each has a login, but single sign-on needs none",
        transport: Transport::Tls,
        name: "app.example",
        requests: &[
            (
                "GET /mno-enterprise/maestrano/metadata HTTP/1.1\r\nHost: app.example\r\n\r\n",
                Status(401, "-> login"),
            ),
            (
                "GET /mno-enterprise/maestrano/metadata HTTP/1.1\r\nHost: app.example\r\n\
                 Authorization: Basic YXBwLTE6a2V5LW9mLW1hZXN0cmFubw==\r\n\r\n",
                From("metadata with X-Tenant: maestrano", "-> 127.31.31.40:"),
            ),
            (
                "DELETE /mno-enterprise/maestrano/account/group/cld-1 HTTP/1.1\r\nHost: app.example\r\n\
                 Authorization: Basic YXBwLTE6a2V5LW9mLW1hZXN0cmFubw==\r\n\r\n",
                From(
                    "DELETE /mno-enterprise/maestrano/account/group/cld-1 with X-Tenant: maestrano",
                    "-> 127.31.31.40:",
                ),
            ),
            (
                "GET /mno-enterprise/maestrano/saml/initialize HTTP/1.1\r\nHost: app.example\r\n\r\n",
                From("saml/initialize with X-Tenant: maestrano", "-> 127.31.31.40:"),
            ),
        ],
    },
];

/// Goes through all steps. Returns whether everything was as expected.
pub(super) async fn walk(
    network: &Network,
    decisions: &mut UnboundedReceiver<String>,
    say: &mut impl FnMut(&str),
) -> bool {
    let mut good = true;
    for step in STEPS {
        say("");
        say(step.shows);
        good &= take(step, network, decisions, say).await;
    }
    say("");
    say("A WebSocket to an app on the master PBX");
    good &= websocket(network, decisions, say).await;
    say("");
    say("A client that does not speak TLS, on the TLS port");
    good &= not_tls(network, decisions, say).await;

    let calls = signalling::calls();
    for call in &calls {
        say("");
        say(call.shows);
        good &= signalling::make(call, network, decisions, say).await;
    }

    good &= browsers::come(network, decisions, say).await;

    for step in directory::LOOK_UPS {
        say("");
        say(step.shows);
        good &= directory::make(step, network, decisions, say).await;
    }

    let requests = STEPS.iter().flat_map(|step| step.requests);
    let forwarded = requests.filter(|(_, expected)| matches!(expected, From(..))).count()
        + 1
        + calls.iter().filter(|call| call.reaches()).count()
        + browsers::REQUESTS
        + directory::LOOK_UPS.iter().filter(|step| step.reaches()).count();
    let reached: usize = network.inside.iter().map(super::standin::StandIn::requests).sum();
    say("");
    say(&format!("{reached} requests reached the machines inside, {forwarded} were allowed to"));
    good &= reached == forwarded;
    say(if good {
        "Everything went as it should."
    } else {
        "Something went wrong: see the lines marked with !!"
    });
    good
}

async fn take(
    step: &Step,
    network: &Network,
    decisions: &mut UnboundedReceiver<String>,
    say: &mut impl FnMut(&str),
) -> bool {
    let (address, tls) = match step.transport {
        Transport::Plain => (network.port(Service::Http, Transport::Plain), None),
        Transport::Tls => (network.port(Service::Http, Transport::Tls), Some(&network.visitor_tls)),
    };
    let mut visitor = match Visitor::connect(address, tls, step.name).await {
        Ok(visitor) => visitor,
        Err(error) => {
            say(&format!("  !! cannot connect: {error}"));
            return false;
        }
    };
    let mut good = true;
    for (request, expected) in step.requests {
        say(&format!("  > {}", request.lines().next().unwrap_or_default()));
        let answer = visitor.ask(request).await;
        let line = next_decision(decisions).await.unwrap_or_default();
        say(&format!("  {line}"));
        let (wanted, as_wanted) = match (&answer, expected) {
            (Ok(Answer::Response(200, body)), From(who, wanted)) => (*wanted, body.contains(who)),
            (Ok(Answer::Response(status, _)), Status(wanted_status, wanted)) => {
                (*wanted, status == wanted_status)
            }
            (Ok(Answer::Closed), Closed(wanted)) => (*wanted, true),
            (_, From(_, wanted) | Status(_, wanted) | Closed(wanted)) => (*wanted, false),
        };
        let mark = if as_wanted && line.contains(wanted) { "<" } else { "!!" };
        good &= mark == "<";
        say(&match answer {
            Ok(Answer::Response(status, body)) => format!("  {mark} {status}: {body}"),
            Ok(Answer::Closed) => format!("  {mark} closed without a byte"),
            Err(error) => format!("  {mark} {error}"),
        });
    }
    good
}

async fn websocket(
    network: &Network,
    decisions: &mut UnboundedReceiver<String>,
    say: &mut impl FnMut(&str),
) -> bool {
    let url = "wss://hq.dvl-ckl2.net/PBX0/APPS/app_manager/137758/websocket";
    say(&format!("  > {url}"));
    let echoed = match Visitor::connect(
        network.port(Service::Http, Transport::Tls),
        Some(&network.visitor_tls),
        "hq.dvl-ckl2.net",
    )
    .await
    {
        Ok(visitor) => visitor.echo(url, "hello, PBX").await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let line = next_decision(decisions).await.unwrap_or_default();
    say(&format!("  {line}"));
    let good = echoed.as_deref() == Ok("hello, PBX") && line.contains("-> 127.31.31.2:");
    match (echoed, good) {
        (Ok(text), true) => say(&format!("  < echoed: {text}")),
        (Ok(text), false) => say(&format!("  !! echoed: {text}")),
        (Err(error), _) => say(&format!("  !! {error}")),
    }
    good
}

async fn not_tls(
    network: &Network,
    decisions: &mut UnboundedReceiver<String>,
    say: &mut impl FnMut(&str),
) -> bool {
    let request = "GET / HTTP/1.1\r\nHost: hq.dvl-ckl2.net\r\n\r\n";
    say("  > GET / HTTP/1.1");
    let refused = match Visitor::connect(network.port(Service::Http, Transport::Tls), None, "").await {
        Ok(mut visitor) => !matches!(visitor.ask(request).await, Ok(Answer::Response(..))),
        Err(_) => false,
    };
    let line = next_decision(decisions).await.unwrap_or_default();
    say(&format!("  {line}"));
    let good = refused && line.contains("rejected: not-tls");
    say(if good { "  < closed" } else { "  !! it was not refused" });
    good
}
