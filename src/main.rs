//! The program `portward`. All of its code is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    portward::cli::main()
}
