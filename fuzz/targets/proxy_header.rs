//! The PROXY protocol header of a balancer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portward::inspect::proxy::{PROXY_LIMIT, inspect};

mod laws;

fuzz_target!(|input: &[u8]| laws::hold(input, PROXY_LIMIT, inspect, inspect));
