//! The program `portward`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    portward::cli::main()
}
