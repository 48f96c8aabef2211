//! The rows of the table: the work of each, and the measured quantity. The budgets are those of contract section 10. The
//! rows for WebSocket, tenants and LDAP without TLS have budgets of their own. Some rows are for comparison only.

use crate::Failure;
use crate::http::{self, Fresh, MANY, kept, large, load, small};
use crate::load::Request;
use crate::measure::{Bench, Samples, median, quantile};
use crate::origin::LARGE;
use crate::peers::Rules;

/// The unit of a row's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds, shown as microseconds: one number, or a median and a 99th percentile.
    Micros,
    /// Seconds.
    Seconds,
    /// A quotient.
    Quotient,
    /// Seconds and bytes.
    SecondsAndBytes,
    /// Bytes, shown in KiB.
    Kib,
}

/// The budget for Portward's numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Budget {
    /// These multiples of the best peer's.
    OfBest(&'static [f64]),
    /// These multiples of HAProxy's. The program in the second column is shown in parentheses, because it does less: it
    /// has one connection to the target for all clients, or it cannot choose the target by what the client asks for.
    OfHaproxy(&'static [f64]),
    /// At most these numbers.
    AtMost(&'static [f64]),
    /// No budget: the row is shown for comparison.
    None,
}

/// A row.
pub(crate) struct Row {
    /// The key for `--only`.
    pub(crate) key: &'static str,
    /// The description of the work.
    pub(crate) work: &'static str,
    pub(crate) unit: Unit,
    pub(crate) budget: Budget,
    run: fn(&Bench<'_>) -> Result<Samples, Failure>,
}

impl Row {
    /// Measures the row.
    pub(crate) fn measure(&self, bench: &Bench<'_>) -> Result<Samples, Failure> {
        (self.run)(bench)
    }
}

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    Row {
        key: "kept-plain",
        work: "HTTP request, kept alive, plain → plain",
        unit: Unit::Micros,
        budget: Budget::OfBest(&[0.9]),
        run: |bench| kept(bench, false, small(), 16, 20_000, |_, cost| vec![cost]),
    },
    Row {
        key: "kept-tls",
        work: "HTTPS → HTTPS request, kept alive",
        unit: Unit::Micros,
        budget: Budget::OfBest(&[0.75]),
        run: |bench| kept(bench, true, small(), 16, 16_000, |_, cost| vec![cost]),
    },
    Row {
        key: "new-tls",
        work: "new TLS 1.3 connection + request, full handshake",
        unit: Unit::Micros,
        budget: Budget::OfBest(&[0.55]),
        run: |bench| fresh(bench, Some(false), small(), 1_600),
    },
    Row {
        key: "resumed-tls",
        work: "the same, resumed",
        unit: Unit::Micros,
        budget: Budget::OfBest(&[0.55]),
        run: |bench| fresh(bench, Some(true), small(), 1_600),
    },
    Row {
        key: "new-tcp",
        work: "new TCP connection + request",
        unit: Unit::Micros,
        budget: Budget::OfBest(&[1.0]),
        run: |bench| fresh(bench, None, small(), 5_000),
    },
    Row {
        key: "new-tcp-close",
        work: "the same with `Connection: close`",
        unit: Unit::Micros,
        budget: Budget::None,
        run: |bench| fresh(bench, None, small().closing(), 5_000),
    },
    Row {
        key: "new-tcp-workers",
        work: "new TCP connection + request, two workers on two cores",
        unit: Unit::Micros,
        budget: Budget::None,
        run: |bench| {
            let fresh = Fresh { resumes: None, request: small(), total: 5_000 };
            http::two_workers(bench, fresh)
        },
    },
    Row {
        key: "bulk-plain",
        work: "GB downloaded, plain",
        unit: Unit::Seconds,
        budget: Budget::OfBest(&[0.6]),
        run: |bench| kept(bench, false, large(), 2, 125, |_, cost| vec![cost * 1e9 / LARGE as f64]),
    },
    Row {
        key: "bulk-tls",
        work: "GB downloaded, TLS → TLS",
        unit: Unit::Seconds,
        budget: Budget::OfBest(&[0.8]),
        run: |bench| kept(bench, true, large(), 2, 125, |_, cost| vec![cost * 1e9 / LARGE as f64]),
    },
    Row {
        key: "ldap-plain",
        work: "GB found by an LDAP search, plain (nginx: its stream module)",
        unit: Unit::Seconds,
        budget: Budget::OfHaproxy(&[0.8]),
        run: |bench| crate::ldap::bulk(bench, false),
    },
    Row {
        key: "ldap-tls",
        work: "GB found by an LDAP search, TLS → TLS (nginx: its stream module)",
        unit: Unit::Seconds,
        budget: Budget::OfHaproxy(&[0.9]),
        run: |bench| crate::ldap::bulk(bench, true),
    },
    Row {
        key: "sip-registration",
        work: "SIP/TLS registration, own TLS connection to the target (second column: Kamailio, one for all)",
        unit: Unit::Micros,
        budget: Budget::OfHaproxy(&[0.45]),
        run: crate::sip::registration,
    },
    Row {
        key: "sip-idle",
        work: "idle SIP tunnel, plain, of 5,000 (second column: Kamailio)",
        unit: Unit::Kib,
        budget: Budget::AtMost(&[3.1 * 1024.0]),
        run: |bench| crate::sip::idle(bench, false),
    },
    Row {
        key: "sip-idle-tls",
        work: "idle SIP tunnel, TLS on both sides, of 5,000 (second column: Kamailio)",
        unit: Unit::Kib,
        budget: Budget::AtMost(&[18.0 * 1024.0]),
        run: |bench| crate::sip::idle(bench, true),
    },
    Row {
        key: "wss-registration",
        work: "SIP registration by wss, plain TCP to the PBX (second column: Kamailio, one connection for all)",
        unit: Unit::Micros,
        budget: Budget::None,
        run: crate::wss::fresh,
    },
    Row {
        key: "wss-of-tls",
        work: "the same against one by TLS (second column: Kamailio)",
        unit: Unit::Quotient,
        budget: Budget::AtMost(&[1.15]),
        run: crate::wss::fresh_of_tls,
    },
    Row {
        key: "wss-of-tls-kept",
        work: "the same on a connection that is open (second column: Kamailio)",
        unit: Unit::Quotient,
        budget: Budget::AtMost(&[1.15]),
        run: crate::wss::kept_of_tls,
    },
    Row {
        key: "wss-idle",
        work: "idle SIP by wss, plain TCP to the PBX, of 3,000 (second column: Kamailio)",
        unit: Unit::Kib,
        budget: Budget::AtMost(&[20.0 * 1024.0]),
        run: crate::wss::idle,
    },
    Row {
        key: "refused",
        work: "connection of a listed address refused (nginx: deny, which reads the request)",
        unit: Unit::Micros,
        budget: Budget::None,
        run: crate::refuse::listed,
    },
    Row {
        key: "hosts",
        work: "request at 100,000 hosts against 10 hosts",
        unit: Unit::Quotient,
        budget: Budget::AtMost(&[1.02]),
        run: http::hosts,
    },
    Row {
        key: "load",
        work: "load 100,000 hosts, each with its own target and a preset (the peers: one rule a host)",
        unit: Unit::SecondsAndBytes,
        budget: Budget::AtMost(&[0.2, 30e6]),
        run: |bench| load(bench, Rules::OwnTargets(MANY)),
    },
    Row {
        key: "load-tenants",
        work: "load 10,000 tenants, each with a host, its own target and a preset (the peers: one rule a host)",
        unit: Unit::SecondsAndBytes,
        budget: Budget::AtMost(&[0.5, 60e6]),
        run: |bench| load(bench, Rules::OwnTenants(10_000)),
    },
    Row {
        key: "latency",
        work: "latency of an HTTPS request, one connection, median / 99th",
        unit: Unit::Micros,
        budget: Budget::OfBest(&[0.95, 0.8]),
        run: |bench| {
            kept(bench, true, small(), 1, 4_000, |times, _| {
                vec![median(times.iter().copied()), quantile(times, 0.99)]
            })
        },
    },
    Row {
        key: "idle",
        work: "memory of an idle HTTPS connection, kept alive after one request",
        unit: Unit::Kib,
        budget: Budget::None,
        run: http::idle,
    },
];

/// One connection for each request. `resumes` is that of [`Fresh`].
fn fresh(
    bench: &Bench<'_>,
    resumes: Option<bool>,
    request: Request,
    total: usize,
) -> Result<Samples, Failure> {
    Fresh { resumes, request, total }.measure(bench, bench.proxies)
}
