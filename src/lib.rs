//! Portward: a deep-inspection reverse proxy for telephone systems.

pub mod cli;
pub mod config;
pub mod inspect;
pub mod io;
pub mod log;
pub mod reason;
pub mod relay;
pub mod rules;
pub mod service;
pub mod tls;
