//! End to end, with the real program, real servers and real clients, all on loopback.
//!
//! One theme a module. Where many cases follow one rule, they are a table. What a test needs that is not there
//! (nginx, curl) fails it and names the Debian package; nothing is skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs, unreachable_pub)]

mod harness;

mod absence;
mod admin;
mod answers;
mod balancer;
mod bodies;
mod browser;
mod captured;
mod causes;
mod certificates;
mod clients;
mod commands;
mod connect;
mod control;
mod dashboard;
mod dead_hosts;
mod demo;
mod edits;
mod exchange;
mod explain;
mod failover;
mod framing;
mod gone;
mod guard;
mod h323;
mod handshake;
mod headers;
mod health;
mod host_commands;
mod hosts;
mod last_answer;
mod ldap;
mod listening;
mod log;
mod login;
mod logins;
mod look;
mod messages;
mod metrics;
mod names;
mod one_form;
mod paths;
mod pbx_pages;
mod proxy_protocol;
mod realms;
mod reload;
mod remembered;
mod routing;
mod service;
mod sip;
mod sip_credentials;
mod sip_dialogs;
mod sip_first;
mod sip_hostile;
mod sip_length;
mod sip_peers;
mod sip_rates;
mod sip_sanity;
mod sip_websocket;
mod slow_bodies;
mod smuggling;
mod soundness;
mod stalled;
mod state;
mod stated;
mod status;
mod switch;
mod targets;
mod tenants;
mod tenants_api;
mod tenants_story;
mod third_party;
mod tls;
mod unread;
mod volume;
mod webrtc;
mod websocket;
