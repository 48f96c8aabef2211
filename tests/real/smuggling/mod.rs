//! Request smuggling and response splitting, as tables (RFC 9112 §11; contract section 3).
//!
//! Every row is sent to the running program. The target is a strict reader (h11) or nginx. The row comes first on a
//! connection, or behind a good request, by TCP or by TLS. Three things are checked:
//! - Every request that a target reads is in the log as a forwarded one, and the log has no others.
//! - A target reads the request that was decided: host, method, target, and the whole body.
//! - The row has its own outcome.

mod chunks;
mod peers;
mod requests;
mod responses;
mod rows;
mod run;
mod seams;

use crate::harness::within;
use peers::Peer;
use rows::Row;

/// Runs a table in front of both targets.
fn table(seconds: u64, rows: fn() -> Vec<Row>) {
    within(seconds, move || {
        let rows = rows();
        let mut failures = Vec::new();
        for peer in [Peer::h11(), Peer::nginx()] {
            failures.extend(run::table(&peer, &rows));
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    });
}

#[test]
fn two_framings() {
    table(100, requests::framing);
}

#[test]
fn bodies_where_none_is_expected() {
    table(100, requests::bodies);
}

#[test]
fn expectations() {
    table(100, requests::expect);
}

#[test]
fn request_lines_and_targets() {
    table(100, requests::request_lines);
}

#[test]
fn hosts() {
    table(100, requests::hosts);
}

#[test]
fn fields_that_end_here() {
    table(100, requests::hop_by_hop);
}

#[test]
fn chunked_bodies() {
    table(100, chunks::chunks);
}

#[test]
fn seams_of_field_lines() {
    table(100, seams::seams);
}

#[test]
fn every_byte_everywhere() {
    table(100, seams::every_byte);
}

#[test]
fn line_ends() {
    table(100, seams::line_ends);
}
