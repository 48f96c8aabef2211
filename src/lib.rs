//! Portward: a deep-inspection reverse proxy for telephone systems.
//!
//! In one sentence: bytes become an identity (pure), an identity becomes a route (pure), and a short chain of
//! consuming steps does the I/O between them. One task moves both legs of a connection.
//!
//! # The journey
//!
//! [`server`] binds the ports and accepts connections. [`guard`] decides which addresses may connect at all. [`conn`]
//! takes a connection from its first byte to its end. It handles the PROXY header and TLS first. Then it repeats four
//! steps: [`inspect`] finds out which host is asked for, [`route`] decides by the [`rules`] where the request may go,
//! [`upstream`] connects to the target, and [`relay`] moves the bytes. [`log`] writes the decision line. The
//! configuration in force is one immutable snapshot ([`state`]). A reload replaces the whole snapshot. So does an
//! administrator's command that enables or disables a host.
//!
//! # The rooms
//!
//! | room | what is in it | what is not |
//! |---|---|---|
//! | [`cli`] | one file a subcommand: it prints | decisions |
//! | [`config`] | files become the valid form, or diagnostics with file, line and column | anything that runs |
//! | [`rules`] | names, paths, presets, the table, the decision; pure | I/O, clocks, configuration |
//! | [`server`], [`signal`] | sockets, workers, accept, reload, drain | bytes of connections |
//! | [`confine`] | what the process gives up when it starts | what the unit takes from it |
//! | [`manager`] | what systemd is told; the sockets that it passes and keeps | what happens on them |
//! | [`conn`] | the journey of a connection | parsing, tables |
//! | [`inspect`] | bytes become an identity; pure | I/O, clocks, configuration, logs |
//! | [`route`] | an identity becomes a route, or a refusal; pure | reading, I/O |
//! | [`proof`] | what a client's certificate proves of the names that it claims; pure | trust, routes |
//! | [`credentials`] | logins that Portward itself demands: hashes, basic logins, the threads that verify them, credentials for a limited time | which path demands a login |
//! | [`relay`] | one exchange, one tunnel | where something may go |
//! | [`tls`] | certificates by SNI, verdicts on clients' and targets' certificates, development certificates | routes |
//! | [`import`] | lists of accounts of other systems become tenants, as a plan of changes; pure | I/O, how tenants are kept |
//! | [`explain`] | what would become of a request, as a value | decisions of its own, I/O |
//! | [`plan`] | what to type elsewhere: router, DNS, firewall, PBX, as a value; pure | I/O, words on a terminal |
//! | [`guard`] | which addresses may connect, and which have lost that right: limits, scoring, blacklist | protocols, configuration |
//! | [`admin`] | the running daemon's socket and port for administration: HTTP, JSON, metrics | decisions |
//! | [`stats`] | counters, live connections, the newest decisions, targets, an hour of history | decisions of its own |
//! | [`upstream`] | DNS, dialling, kept connections, the health of targets | whether a client may go there |
//! | [`state`] | the snapshot, what all workers share, what is kept on disk | decisions, sockets |
//! | [`io`] | streams with and without TLS, buffers, the clock, timers | certificates, protocols above TLS |
//! | [`files`] | reading what others have put there, without waiting for it; writing our own so that nothing is lost | what stands in it |
//! | [`accounts`] | users and groups of this machine | what they may |
//! | [`demo`] | stand-in PBXs and the walk | a server of its own |
//!
//! # What it does
//!
//! docs/design/contract.md says what Portward does. "Contract section 8" in a comment is section 8 of that page. How the rooms
//! hang together is in docs/design/structure.md, and why some things are as they are in docs/design/decisions.
//!
//! Words that mean the same everywhere: [`service`] and transport, host, target, route, [`reason`], [`cause`], [`ending`], and
//! [`field_names`], which are compared in one way.

pub mod accounts;
pub mod admin;
pub mod cause;
pub mod cli;
pub mod config;
pub mod confine;
pub mod conn;
pub mod credentials;
pub mod demo;
pub mod ending;
pub mod explain;
pub mod field_names;
pub mod files;
pub mod guard;
pub mod import;
pub mod inspect;
pub mod io;
pub mod log;
pub mod manager;
pub mod plan;
pub mod proof;
pub mod reason;
pub mod relay;
pub mod route;
pub mod rules;
pub mod server;
pub mod service;
pub mod signal;
pub mod state;
pub mod stats;
pub mod tls;
pub mod upstream;
