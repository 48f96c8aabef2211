//! What is counted (SPEC section 8, Metrics). Each worker has a block of counters, and it alone writes them. So there is no
//! lock, no atomic addition, and no cache line that two workers write. A reader adds the blocks up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::{Durations, Histogram};
use crate::reason::Reason;
use crate::service::{Service, Transport};

const SERVICES: usize = Service::ALL.len();
const TRANSPORTS: usize = Transport::ALL.len();
const REASONS: usize = Reason::ALL.len();

/// A number that grows. One thread writes it, any thread reads it.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds to it. Only the thread that the counter belongs to may do this: another one's addition could be lost.
    pub(super) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// What it is.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What became of a request (HTTP) or a connection (others).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It went to a target.
    Forwarded,
    /// It was sent to another URL.
    Redirected,
    /// It was an ACME challenge, and Portward answered it.
    Challenge,
    /// It was refused.
    Rejected,
}

impl Verdict {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Forwarded, Self::Redirected, Self::Challenge, Self::Rejected];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Redirected => "redirected",
            Self::Challenge => "challenge",
            Self::Rejected => "rejected",
        }
    }
}

/// Toward which side bytes go.
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

/// With which side a TLS handshake was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// With a client.
    Client,
    /// With a target.
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

/// The counters of one worker.
#[derive(Debug, Default)]
pub struct Counters {
    opened: [[Counter; TRANSPORTS]; SERVICES],
    closed: [[Counter; TRANSPORTS]; SERVICES],
    verdicts: [[Counter; Verdict::ALL.len()]; SERVICES],
    rejected: [[Counter; REASONS]; SERVICES],
    bytes: [[Counter; 2]; SERVICES],
    /// Failed ones first.
    handshakes: [[Counter; 2]; Side::ALL.len()],
    /// Target connections that could not be opened: no connection, or no TLS.
    unreached: [[Counter; 2]; SERVICES],
    connect: [Histogram; SERVICES],
    first_byte: [Histogram; SERVICES],
}

/// Adds to one counter of a table.
fn add<const R: usize, const C: usize>(table: &[[Counter; C]; R], (row, column): (usize, usize), count: u64) {
    if let Some(counter) = table.get(row).and_then(|row| row.get(column)) {
        counter.add(count);
    }
}

impl Counters {
    /// A connection has been accepted.
    pub fn opened(&self, service: Service, transport: Transport) {
        add(&self.opened, (service as usize, transport as usize), 1);
    }

    /// It has ended.
    pub fn closed(&self, service: Service, transport: Transport) {
        add(&self.closed, (service as usize, transport as usize), 1);
    }

    /// A decision that is no refusal.
    pub fn decided(&self, service: Service, verdict: Verdict) {
        add(&self.verdicts, (service as usize, verdict as usize), 1);
    }

    /// A refusal: at the door, by the rules, or in the middle of a relay.
    pub fn rejected(&self, service: Service, reason: Reason) {
        add(&self.verdicts, (service as usize, Verdict::Rejected as usize), 1);
        add(&self.rejected, (service as usize, reason as usize), 1);
    }

    /// Bytes have gone to one side.
    pub fn moved(&self, service: Service, direction: Direction, count: u64) {
        add(&self.bytes, (service as usize, direction as usize), count);
    }

    /// A TLS handshake is over.
    pub fn handshake(&self, side: Side, succeeded: bool) {
        add(&self.handshakes, (side as usize, usize::from(succeeded)), 1);
    }

    /// A target connection was opened in this time: TCP, PROXY header and TLS.
    pub fn connected(&self, service: Service, time: Duration) {
        if let Some(histogram) = self.connect.get(service as usize) {
            histogram.add(time);
        }
    }

    /// An address of a target could not be connected to; `in_tls`: TCP was, and TLS failed.
    pub fn unreached(&self, service: Service, in_tls: bool) {
        add(&self.unreached, (service as usize, usize::from(in_tls)), 1);
    }

    /// A target has answered in this time, from the moment when it could be asked.
    pub fn answered(&self, service: Service, time: Duration) {
        if let Some(histogram) = self.first_byte.get(service as usize) {
            histogram.add(time);
        }
    }
}

/// The counters as they are read: the sum over all workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    opened: [[u64; TRANSPORTS]; SERVICES],
    closed: [[u64; TRANSPORTS]; SERVICES],
    verdicts: [[u64; Verdict::ALL.len()]; SERVICES],
    rejected: [[u64; REASONS]; SERVICES],
    bytes: [[u64; 2]; SERVICES],
    handshakes: [[u64; 2]; Side::ALL.len()],
    unreached: [[u64; 2]; SERVICES],
    connect: [Durations; SERVICES],
    first_byte: [Durations; SERVICES],
}

fn sum<const R: usize, const C: usize>(sums: &mut [[u64; C]; R], table: &[[Counter; C]; R]) {
    for (sum, counter) in sums.iter_mut().flatten().zip(table.iter().flatten()) {
        *sum = sum.wrapping_add(counter.get());
    }
}

fn at<const R: usize, const C: usize>(table: &[[u64; C]; R], (row, column): (usize, usize)) -> u64 {
    table.get(row).and_then(|row| row.get(column)).copied().unwrap_or_default()
}

impl Totals {
    /// Adds one worker's counters.
    pub(super) fn add(&mut self, counters: &Counters) {
        // What has ended before what has begun: never more of the former.
        sum(&mut self.closed, &counters.closed);
        sum(&mut self.opened, &counters.opened);
        sum(&mut self.verdicts, &counters.verdicts);
        sum(&mut self.rejected, &counters.rejected);
        sum(&mut self.bytes, &counters.bytes);
        sum(&mut self.handshakes, &counters.handshakes);
        sum(&mut self.unreached, &counters.unreached);
        self.connect.iter_mut().zip(&counters.connect).for_each(|(sum, one)| one.read(sum));
        self.first_byte.iter_mut().zip(&counters.first_byte).for_each(|(sum, one)| one.read(sum));
    }

    /// Connections that were accepted.
    pub fn connections(&self, service: Service, transport: Transport) -> u64 {
        at(&self.opened, (service as usize, transport as usize))
    }

    /// Those of them that are open.
    pub fn open(&self, service: Service, transport: Transport) -> u64 {
        let place = (service as usize, transport as usize);
        at(&self.opened, place).saturating_sub(at(&self.closed, place))
    }

    /// Decisions.
    pub fn decisions(&self, service: Service, verdict: Verdict) -> u64 {
        at(&self.verdicts, (service as usize, verdict as usize))
    }

    /// Refusals.
    pub fn rejected(&self, service: Service, reason: Reason) -> u64 {
        at(&self.rejected, (service as usize, reason as usize))
    }

    /// Bytes that have gone to one side.
    pub fn bytes(&self, service: Service, direction: Direction) -> u64 {
        at(&self.bytes, (service as usize, direction as usize))
    }

    /// TLS handshakes, those that succeeded or those that failed.
    pub fn handshakes(&self, side: Side, succeeded: bool) -> u64 {
        at(&self.handshakes, (side as usize, usize::from(succeeded)))
    }

    /// How often an address of a target could not be connected to; `in_tls`: TCP was, and TLS failed.
    pub fn unreached(&self, service: Service, in_tls: bool) -> u64 {
        at(&self.unreached, (service as usize, usize::from(in_tls)))
    }

    /// How long it took to open target connections.
    pub fn connect(&self, service: Service) -> Durations {
        self.connect.get(service as usize).copied().unwrap_or_default()
    }

    /// How long targets took to answer.
    pub fn first_byte(&self, service: Service) -> Durations {
        self.first_byte.get(service as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_one_of_its_own() {
        let counters = Counters::default();
        for (number, service) in (1..).zip(Service::ALL) {
            for _ in 0..number {
                Transport::ALL.into_iter().for_each(|transport| counters.opened(service, transport));
                counters.closed(service, Transport::Tls);
                counters.decided(service, Verdict::Forwarded);
                Reason::ALL.into_iter().for_each(|reason| counters.rejected(service, reason));
                counters.moved(service, Direction::Down, 1000);
                counters.connected(service, Duration::from_millis(1));
                counters.unreached(service, true);
            }
        }
        counters.handshake(Side::Target, true);
        let mut totals = Totals::default();
        totals.add(&counters);
        totals.add(&counters);
        for (number, service) in (1..).zip(Service::ALL) {
            assert_eq!(totals.connections(service, Transport::Plain), 2 * number);
            assert_eq!(totals.open(service, Transport::Plain), 2 * number);
            assert_eq!(totals.open(service, Transport::Tls), 0);
            assert_eq!(totals.decisions(service, Verdict::Forwarded), 2 * number);
            assert_eq!(totals.decisions(service, Verdict::Challenge), 0);
            assert_eq!(totals.decisions(service, Verdict::Rejected), 2 * number * REASONS as u64);
            assert!(Reason::ALL.iter().all(|reason| totals.rejected(service, *reason) == 2 * number));
            assert_eq!(totals.bytes(service, Direction::Down), 2000 * number);
            assert_eq!(totals.bytes(service, Direction::Up), 0);
            assert_eq!(totals.connect(service).count(), 2 * number);
            assert_eq!(totals.first_byte(service).count(), 0);
            assert_eq!((totals.unreached(service, true), totals.unreached(service, false)), (2 * number, 0));
        }
        assert_eq!((totals.handshakes(Side::Target, true), totals.handshakes(Side::Client, true)), (2, 0));
    }

    /// The tables are indexed by the order of the closed sets.
    #[test]
    fn the_sets_are_in_the_order_of_their_numbers() {
        assert!(Service::ALL.iter().enumerate().all(|(at, one)| *one as usize == at));
        assert!(Transport::ALL.iter().enumerate().all(|(at, one)| *one as usize == at));
        assert!(Reason::ALL.iter().enumerate().all(|(at, one)| *one as usize == at));
        assert!(Verdict::ALL.iter().enumerate().all(|(at, one)| *one as usize == at));
    }
}
