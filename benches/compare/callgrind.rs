//! callgrind: how it is called, and what it has counted.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::Failure;

/// A part of the names of aws-lc's functions that gather randomness. How often they try depends on the time.
const GATHERS: &str = "_tree_jitter_";
/// The beginnings of the names of glibc's functions that look for room, and that join what was freed. Their work depends on
/// how the heap looks, which differs from run to run: a new connection varied by 4 %. Calls of `malloc` and `free` count.
const ALLOCATES: [&str; 8] = [
    "_int_malloc",
    "_int_free",
    "_int_memalign",
    "_int_realloc",
    "malloc_consolidate",
    "unlink_chunk",
    "sysmalloc",
    "systrim",
];

/// Whether a function and what it calls are left out, because the same work takes another number of instructions each time.
fn varies(function: &str) -> bool {
    function.contains(GATHERS) || ALLOCATES.iter().any(|name| function.starts_with(name))
}

/// The command line that lets callgrind count. The rest of it, the program, follows. `counts` is the file for the numbers.
pub(crate) fn command(counts: &Path) -> Vec<String> {
    let counts = format!("--callgrind-out-file={}", counts.display());
    ["valgrind", "--tool=callgrind", "--vgdb=no", "--quiet", &counts].map(str::to_owned).to_vec()
}

/// The sum in a callgrind file, without the functions that vary.
pub(crate) fn read(path: &Path) -> Result<u64, Failure> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let sum = text.lines().find_map(|line| line.strip_prefix("totals:"));
    let sum: u64 = sum.ok_or("callgrind has written no sum")?.trim().parse()?;
    // A name is written once, with a number that stands for it afterwards. A call has three lines: the function that is
    // called, the number of calls, and its place and cost.
    let mut known = HashMap::new();
    let mut is_left_out = |name: &str| {
        let (number, name) = name.split_once(' ').unwrap_or((name, ""));
        if !name.is_empty() {
            known.insert(number.to_owned(), varies(name));
        }
        known.get(number).copied().unwrap_or(false)
    };
    let (mut caller, mut called, mut is_call, mut left_out) = (false, false, false, 0);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            caller = is_left_out(name);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called = is_left_out(name);
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if std::mem::take(&mut is_call) && called && !caller {
            left_out += line.split(' ').nth(1).ok_or("a call without its cost")?.parse::<u64>()?;
        }
    }
    Ok(sum.checked_sub(left_out).ok_or("callgrind has counted calls twice")?)
}
