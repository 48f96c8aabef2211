//! Portward: a deep-inspection reverse proxy for telephone systems.

pub mod cli;
pub mod config;
pub mod conn;
pub mod demo;
pub mod guard;
pub mod inspect;
pub mod io;
pub mod log;
pub mod reason;
pub mod relay;
pub mod rules;
pub mod server;
pub mod service;
pub mod signal;
pub mod state;
pub mod tls;
pub mod upstream;
