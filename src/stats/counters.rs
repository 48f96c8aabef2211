//! The counters (contract section 8, Metrics). Each worker has a block of counters that only this worker writes. So
//! there is no lock, no atomic addition, and no cache line that two workers write. A reader adds the blocks up.

use std::time::Duration;

use super::counter::Counter;
use super::histogram::{Durations, Histogram};
use crate::cause::Cause;
use crate::reason::Reason;
use crate::service::{Carrier, PerService, Service};

const CARRIERS: usize = Carrier::ALL.len();
const REASONS: usize = Reason::ALL.len();
const CAUSES: usize = Cause::ALL.len();

/// What happened to a request (HTTP) or a connection (other services).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionKind {
    /// It was forwarded to a target.
    Forwarded,
    /// It was redirected to another URL.
    Redirected,
    /// It was an ACME challenge, and Portward answered it.
    Challenge,
    /// It came without the login that its path demands. Portward asked for the login.
    Login,
    /// It opened a WebSocket that Portward itself ends.
    WebSocket,
    /// It was an exchange of credentials, which Portward answered.
    Exchange,
    /// It was refused.
    Rejected,
}

impl DecisionKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Forwarded,
        Self::Redirected,
        Self::Challenge,
        Self::Login,
        Self::WebSocket,
        Self::Exchange,
        Self::Rejected,
    ];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Redirected => "redirected",
            Self::Challenge => "challenge",
            Self::Login => "login",
            Self::WebSocket => "websocket",
            Self::Exchange => "exchange",
            Self::Rejected => "rejected",
        }
    }
}

/// The side to which bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the target.
    Up,
    /// To the client.
    Down,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Up, Self::Down];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// The peer of a TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A client.
    Client,
    /// A target.
    Target,
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Client, Self::Target];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Target => "target",
        }
    }
}

/// The counters of one service. `N` is a number, `D` are durations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct OfService<N, D> {
    opened: [N; CARRIERS],
    closed: [N; CARRIERS],
    decisions: [N; DecisionKind::ALL.len()],
    rejected: [N; REASONS],
    bytes: [N; 2],
    /// How often an address of a target could not be used.
    failures: ByCause<N>,
    connect: D,
    first_byte: D,
}

/// A number for each cause.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ByCause<N>([N; CAUSES]);

impl<N: Default> Default for ByCause<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| N::default()))
    }
}

/// The counters of one worker.
#[derive(Debug, Default)]
pub struct Counters {
    services: PerService<OfService<Counter, Histogram>>,
    /// For each side the failed handshakes, then the successful ones.
    handshakes: [[Counter; 2]; Side::ALL.len()],
}

fn add(counters: &[Counter], at: usize, count: u64) {
    if let Some(counter) = counters.get(at) {
        counter.add(count);
    }
}

impl Counters {
    /// Counts a connection that has been accepted.
    pub fn opened(&self, service: Service, carrier: Carrier) {
        add(&self.services[service].opened, carrier as usize, 1);
    }

    /// Counts a connection that has ended.
    pub fn closed(&self, service: Service, carrier: Carrier) {
        add(&self.services[service].closed, carrier as usize, 1);
    }

    /// Counts a decision that is not a refusal.
    pub fn decided(&self, service: Service, kind: DecisionKind) {
        add(&self.services[service].decisions, kind as usize, 1);
    }

    /// Counts a refusal: by the guard, by the rules, or in the middle of a relay.
    pub fn rejected(&self, service: Service, reason: Reason) {
        self.decided(service, DecisionKind::Rejected);
        add(&self.services[service].rejected, reason as usize, 1);
    }

    /// Counts bytes that were sent to one side.
    pub fn moved(&self, service: Service, direction: Direction, count: u64) {
        add(&self.services[service].bytes, direction as usize, count);
    }

    /// Counts a TLS handshake that has ended.
    pub fn handshake(&self, side: Side, succeeded: bool) {
        if let Some(counters) = self.handshakes.get(side as usize) {
            add(counters, usize::from(succeeded), 1);
        }
    }

    /// Counts a new target connection. `time` is how long TCP, PROXY header and TLS took.
    pub fn connected(&self, service: Service, time: Duration) {
        self.services[service].connect.add(time);
    }

    /// Counts an address of a target that could not be used, with the cause.
    pub fn failed(&self, service: Service, cause: Cause) {
        add(&self.services[service].failures.0, cause as usize, 1);
    }

    /// Counts an answer of a target. `time` runs from the moment at which the target could be asked.
    pub fn answered(&self, service: Service, time: Duration) {
        self.services[service].first_byte.add(time);
    }
}

/// The counters for a reader: the sum over all workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    services: PerService<OfService<u64, Durations>>,
    handshakes: [[u64; 2]; Side::ALL.len()],
}

fn sum(sums: &mut [u64], counters: &[Counter]) {
    for (sum, counter) in sums.iter_mut().zip(counters) {
        *sum = sum.wrapping_add(counter.get());
    }
}

impl Totals {
    /// Adds one worker's counters.
    pub(super) fn add(&mut self, counters: &Counters) {
        for (service, from) in counters.services.iter() {
            let into = &mut self.services[service];
            // The ended connections are read first, so that their number never exceeds that of the opened ones.
            sum(&mut into.closed, &from.closed);
            sum(&mut into.opened, &from.opened);
            sum(&mut into.decisions, &from.decisions);
            sum(&mut into.rejected, &from.rejected);
            sum(&mut into.bytes, &from.bytes);
            sum(&mut into.failures.0, &from.failures.0);
            from.connect.read(&mut into.connect);
            from.first_byte.read(&mut into.first_byte);
        }
        for (sums, counters) in self.handshakes.iter_mut().zip(&counters.handshakes) {
            sum(sums, counters);
        }
    }

    /// Connections that were accepted.
    pub fn connections(&self, service: Service, carrier: Carrier) -> u64 {
        at(&self.services[service].opened, carrier as usize)
    }

    /// Accepted connections that are still open.
    pub fn open(&self, service: Service, carrier: Carrier) -> u64 {
        let closed = at(&self.services[service].closed, carrier as usize);
        self.connections(service, carrier).saturating_sub(closed)
    }

    /// Decisions.
    pub fn decisions(&self, service: Service, kind: DecisionKind) -> u64 {
        at(&self.services[service].decisions, kind as usize)
    }

    /// Refusals.
    pub fn rejected(&self, service: Service, reason: Reason) -> u64 {
        at(&self.services[service].rejected, reason as usize)
    }

    /// Bytes that were sent to one side.
    pub fn bytes(&self, service: Service, direction: Direction) -> u64 {
        at(&self.services[service].bytes, direction as usize)
    }

    /// TLS handshakes that succeeded, or that failed.
    pub fn handshakes(&self, side: Side, succeeded: bool) -> u64 {
        self.handshakes.get(side as usize).map_or(0, |numbers| at(numbers, usize::from(succeeded)))
    }

    /// How often an address of a target could not be used for this cause.
    pub fn failures(&self, service: Service, cause: Cause) -> u64 {
        at(&self.services[service].failures.0, cause as usize)
    }

    /// How long it took to open target connections.
    pub fn connect(&self, service: Service) -> &Durations {
        &self.services[service].connect
    }

    /// How long targets took to answer.
    pub fn first_byte(&self, service: Service) -> &Durations {
        &self.services[service].first_byte
    }
}

fn at(numbers: &[u64], at: usize) -> u64 {
    numbers.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_one_of_its_own() {
        let counters = Counters::default();
        for (number, service) in (1..).zip(Service::ALL) {
            for _ in 0..number {
                Carrier::ALL.into_iter().for_each(|carrier| counters.opened(service, carrier));
                counters.closed(service, Carrier::Tls);
                counters.decided(service, DecisionKind::Forwarded);
                Reason::ALL.into_iter().for_each(|reason| counters.rejected(service, reason));
                counters.moved(service, Direction::Down, 1000);
                counters.connected(service, Duration::from_millis(1));
                counters.failed(service, Cause::WrongPin);
            }
        }
        counters.handshake(Side::Target, true);
        let mut totals = Totals::default();
        totals.add(&counters);
        totals.add(&counters);
        for (number, service) in (1..).zip(Service::ALL) {
            assert_eq!(totals.connections(service, Carrier::Tcp), 2 * number);
            assert_eq!(totals.open(service, Carrier::Tcp), 2 * number);
            assert_eq!(totals.open(service, Carrier::Tls), 0);
            assert_eq!(totals.decisions(service, DecisionKind::Forwarded), 2 * number);
            assert_eq!(totals.decisions(service, DecisionKind::Challenge), 0);
            assert_eq!(
                totals.decisions(service, DecisionKind::Rejected),
                2 * number * u64::try_from(REASONS).unwrap()
            );
            assert!(Reason::ALL.iter().all(|reason| totals.rejected(service, *reason) == 2 * number));
            assert_eq!(totals.bytes(service, Direction::Down), 2000 * number);
            assert_eq!(totals.bytes(service, Direction::Up), 0);
            assert_eq!(totals.connect(service).count(), 2 * number);
            assert_eq!(totals.first_byte(service).count(), 0);
            let failures = [Cause::WrongPin, Cause::Refused].map(|cause| totals.failures(service, cause));
            assert_eq!(failures, [2 * number, 0]);
        }
        assert_eq!((totals.handshakes(Side::Target, true), totals.handshakes(Side::Client, true)), (2, 0));
    }

    /// The order of the closed sets is that of their numbers, which are the indices of the tables.
    #[test]
    fn the_sets_are_in_the_order_of_their_numbers() {
        assert!(Carrier::ALL.iter().enumerate().all(|(at, one)| *one as usize == at));
        assert!(Reason::ALL.iter().enumerate().all(|(at, one)| *one as usize == at));
        assert!(DecisionKind::ALL.iter().enumerate().all(|(at, one)| *one as usize == at));
    }
}
