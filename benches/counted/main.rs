//! The inner works of Portward one by one: a message that is read, a host that is looked up, the guard's answers, a log line.
//! callgrind counts their instructions. `scripts/instructions` runs this program, and shows them beside the whole
//! program's (`benches/compare/instructions.rs`).
//!
//! callgrind counts only while [`counted_part`] runs (`--toggle-collect`), so that the preparation costs nothing. The
//! crate gungraun (once iai-callgrind) does the same for such parts. It is not used, because it needs a second program of
//! its own version, and cannot count a server whose clients are outside. So there would be two tables and two baselines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)]

#[path = "../shared/hosts.rs"]
mod hosts;
#[path = "../shared/messages.rs"]
mod messages;
mod parts;

use std::hint::black_box;
use std::process::ExitCode;

use parts::{PARTS, Part};

/// How often a work is done before it is counted. The first times cost more, because memory is used for the first time.
const WARM_UP: u32 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // `cargo test` and `cargo bench` also run this program. Then it does nothing.
        [] => ExitCode::SUCCESS,
        ["--path"] => {
            println!("{}", std::env::current_exe().unwrap().display());
            ExitCode::SUCCESS
        }
        ["--list"] => {
            PARTS.iter().for_each(|part| println!("{}\t{}\t{}", part.key, part.times, part.work));
            ExitCode::SUCCESS
        }
        ["--processor"] => {
            println!("{}", processor());
            ExitCode::SUCCESS
        }
        ["--do", key] => match PARTS.iter().find(|part| part.key == key) {
            Some(part) if run(part) => ExitCode::SUCCESS,
            Some(_) => {
                eprintln!("counted: {key} did not do its work");
                ExitCode::FAILURE
            }
            None => {
                eprintln!("counted: no part {key}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("counted: --path, --list, --processor or --do PART; scripts/instructions runs it");
            ExitCode::FAILURE
        }
    }
}

fn run(part: &Part) -> bool {
    let mut work = (part.prepare)();
    (0..WARM_UP).all(&mut work) && counted_part(&mut *work, part.times)
}

/// Does a work that often. callgrind counts while it runs, and knows it by its name.
#[inline(never)]
fn counted_part(work: &mut dyn FnMut(u32) -> bool, times: u32) -> bool {
    (WARM_UP..WARM_UP + times).all(|number| work(black_box(number)))
}

/// The extensions of the processor that code may choose by. Under callgrind these are callgrind's own.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let all = [
            ("sse4.2", is_x86_feature_detected!("sse4.2")),
            ("aes", is_x86_feature_detected!("aes")),
            ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
            ("avx2", is_x86_feature_detected!("avx2")),
            ("bmi2", is_x86_feature_detected!("bmi2")),
            ("adx", is_x86_feature_detected!("adx")),
            ("sha", is_x86_feature_detected!("sha")),
            ("vaes", is_x86_feature_detected!("vaes")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
        ];
        let there: Vec<&str> = all.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
        format!("x86_64: {}", there.join(" "))
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::env::consts::ARCH.to_owned()
}
