//! The cost of a login in a request: the same request with and without a login, by one kept connection, in turns, to
//! the real program. The program's own processor time counts. The password's hash is computed once, before the
//! measurement. After that the login is remembered for five minutes.
//!
//! `cargo bench --bench logins [-- --rounds N]`. It fails if a logged-in request costs over 3 % more (issue 21 item 3).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, missing_docs)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The limit for the cost of a request with a login, as a multiple of one without.
const LIMIT: f64 = 1.03;
/// Requests in one turn.
const REQUESTS: u32 = 10_000;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
/// `key:secret`, and its hash by htpasswd.
const LINE: &str = "key:$2y$04$47KJ4q./HGOn/4EIQnbIWeMqmeBQ6QWVyXqQ6nGN0EhtlZKrrLG7K";
const LOGIN: &str = "Authorization: Basic a2V5OnNlY3JldA==\r\n";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test` also runs this program. Then it does nothing.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let rounds = arguments.windows(2).find(|pair| pair[0] == "--rounds");
    let rounds = rounds.map_or(21, |pair| pair[1].parse().expect("a number of rounds"));
    let folder = tempfile::tempdir().unwrap();
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rules = format!(
        "[tenant.ACME]\nlogin = [\"{LINE}\"]\n[[host]]\nname = \"app.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [\n\
         {{ path = \"/asked/{{tenant}}\", login = \"tenant\", login_plain = true, tcp = {0} }},\n\
         {{ path = \"/open/{{tenant}}\", tcp = {0} }},\n]\n",
        origin.local_addr().unwrap().port()
    );
    fs::create_dir(folder.path().join("rules")).unwrap();
    fs::write(folder.path().join("rules/bench.toml"), rules).unwrap();
    let config = folder.path().join("portward.toml");
    let text = format!(
        "rules = \"rules\"\nstate = \"state\"\n[listen]\nhttp = \"127.0.0.1:{port}\"\n[admin]\nsocket = {:?}\n",
        folder.path().join("sock")
    );
    fs::write(&config, text).unwrap();
    thread::spawn(move || origin.incoming().for_each(|tcp| drop(thread::spawn(|| serve(tcp.unwrap())))));
    let program = Program(
        Command::new(env!("CARGO_BIN_EXE_portward"))
            .args(["run", "--config"])
            .arg(&config)
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut client = connect(port);
    turn(&mut client, "/asked", LOGIN, 100);
    turn(&mut client, "/open", "", 100);
    let (mut asked, mut open) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // The order changes each round, because the second one finds a warmer machine.
        for first in [round % 2 == 0, round % 2 != 0] {
            let (path, login, into) =
                if first { ("/asked", LOGIN, &mut asked) } else { ("/open", "", &mut open) };
            let before = program.processor_time();
            turn(&mut client, path, login, REQUESTS);
            into.push((program.processor_time() - before).as_secs_f64() / f64::from(REQUESTS));
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2] * 1e6
    };
    let (asked, open) = (median(&mut asked), median(&mut open));
    let ratio = asked / open;
    println!("a request without a login {open:.2} µs, with one {asked:.2} µs: {ratio:.3} (limit {LIMIT})");
    if ratio <= LIMIT { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Program(Child);

impl Program {
    /// User and system time of all its threads.
    fn processor_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
        let ran = |task: std::io::Result<fs::DirEntry>| {
            let stat = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap_or_default();
            stat.split(' ').next().and_then(|ran| ran.parse::<u64>().ok()).unwrap_or(0)
        };
        Duration::from_nanos(tasks.map(ran).sum())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn connect(port: u16) -> TcpStream {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(tcp) => {
                tcp.set_nodelay(true).unwrap();
                return tcp;
            }
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(30), "{error}"),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends that many requests, one after the other.
fn turn(client: &mut TcpStream, path: &str, login: &str, count: u32) {
    let request = format!(
        "GET {path}/ACME/metadata HTTP/1.1\r\nHost: app.example.net\r\nUser-Agent: bench\r\nAccept: */*\r\n{login}\r\n"
    );
    let mut room = [0; 4096];
    for _ in 0..count {
        client.write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        while !room[..length].ends_with(b"hello") {
            let read = client.read(&mut room[length..]).unwrap();
            assert!(read > 0 && length + read < room.len(), "{}", String::from_utf8_lossy(&room[..length]));
            length += read;
            assert!(room.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&room[..length]));
        }
    }
}

/// Answers each request of a connection.
fn serve(mut tcp: TcpStream) {
    tcp.set_nodelay(true).unwrap();
    let (mut room, mut length) = ([0; 4096], 0);
    while let Ok(read @ 1..) = tcp.read(&mut room[length..]) {
        length += read;
        if room[..length].ends_with(b"\r\n\r\n") {
            length = 0;
            if tcp.write_all(ANSWER).is_err() {
                return;
            }
        }
    }
}
