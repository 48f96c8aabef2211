//! Portward: a deep-inspection reverse proxy for telephone systems.

pub mod cli;
pub mod config;
pub mod reason;
pub mod rules;
pub mod service;
pub mod tls;
