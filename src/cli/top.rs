//! `portward top`: a live view of the running daemon in the terminal.
//!
//! | file | content |
//! |---|---|
//! | `fetch` | requests to the daemon at intervals, on a thread of its own |
//! | `state` | the daemon's answers, and the rates computed from them; pure |
//! | `panes` | the chosen pane, its order and its scroll position; pure |
//! | `rows` | the content of a pane; pure |
//! | `draw` | the drawing at any size of the terminal |
//!
//! The terminal is restored at every kind of end: a key, a signal, an error, a panic.

mod draw;
mod fetch;
mod panes;
pub(super) mod rows;
mod state;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::signal::unix::{SignalKind, signal};

use super::daemon::{DaemonArgs, no_answer};
use super::terminal;
use fetch::{Answer, Source};
use panes::{After, Panes};
use state::TopState;

/// How long the screen stays without an event before it is drawn again, because ages change.
const STILL: Duration = Duration::from_secs(1);
/// How many messages may wait. A thread that sends one more waits until there is room.
const WAITING: usize = 64;

/// Watch the running daemon: rates, decisions, busy hosts and clients, targets, blacklist
#[derive(Debug, clap::Args)]
#[command(after_help = "Keys:\n  \
    1 to 7, Tab     another pane\n  \
    arrows, Page    scroll; Home goes back to the top\n  \
    s, r            sort by another column, turn the order round\n  \
    p               pause\n  \
    ?               the keys\n  \
    q, Esc          quit\n\n\
    Exit codes:\n  \
    0  it was ended by a key\n  \
    1  the daemon does not run or cannot be asked, or the terminal cannot show it\n\n\
    For programs: portward top --json, or the API: /usr/share/doc/portward/docs/api.md.")]
pub(super) struct Args {
    /// How often to ask the daemon, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    interval: u64,
    #[command(flatten)]
    daemon: DaemonArgs,
}

/// The events for the loop.
enum Message {
    /// A key, or a new size of the terminal.
    Terminal(Event),
    /// The daemon has answered, or has not answered.
    Daemon(Box<Answer>),
    /// A signal asks the program to end, or the terminal is gone.
    End,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let daemon = args.daemon.daemon();
    if args.daemon.json {
        return match daemon.get("/v1/top") {
            Ok(answer) => {
                terminal::print_line(answer);
                ExitCode::SUCCESS
            }
            Err(error) => no_answer(&error),
        };
    }
    if let Err(why) = fit_for_it() {
        terminal::complain(format_args!("error: {why}"));
        terminal::complain(
            "  help: `portward top --json` is for programs; `portward status`, `connections` and `targets` print once",
        );
        return ExitCode::from(terminal::NO);
    }
    // If the daemon cannot be asked at all, that is reported before the screen is used.
    if let Err(error) = daemon.get("/v1/status") {
        return no_answer(&error);
    }
    let (sender, messages) = mpsc::sync_channel(WAITING);
    let source = Source { daemon, interval: Duration::from_secs(args.interval) };
    let shown = ratatui::try_init().and_then(|terminal| {
        listen(&sender, source)?;
        show(terminal, &messages)
    });
    let restored = ratatui::try_restore();
    match shown.and(restored) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(format_args!("error: the terminal cannot be used: {error}"));
            ExitCode::from(terminal::NO)
        }
    }
}

/// Whether there is a suitable terminal.
fn fit_for_it() -> Result<(), &'static str> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err("top needs a terminal, and standard input or output is none");
    }
    match std::env::var("TERM") {
        Ok(term) if term != "dumb" && !term.is_empty() => Ok(()),
        _ => Err("top needs a terminal whose cursor can be placed, and TERM names none"),
    }
}

/// Starts the threads that send messages: keys, signals, the daemon's answers. They end with the process.
fn listen(sender: &SyncSender<Message>, source: Source) -> io::Result<()> {
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let keys = sender.clone();
    thread("keys").spawn(move || {
        while let Ok(event) = event::read() {
            if keys.send(Message::Terminal(event)).is_err() {
                return;
            }
        }
        let _ = keys.send(Message::End);
    })?;
    let answers = sender.clone();
    thread("daemon")
        .spawn(move || source.run(|answer| answers.send(Message::Daemon(Box::new(answer))).is_ok()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ends = sender.clone();
    thread("signals").spawn(move || {
        let heard = runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut hang_up = signal(SignalKind::hangup())?;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hang_up.recv() => {}
            }
            io::Result::Ok(())
        });
        // Without a handler a signal ends the process at once, as usual.
        if heard.is_ok() {
            let _ = ends.send(Message::End);
        }
    })?;
    Ok(())
}

/// Draws until a message asks for the end.
fn show(mut terminal: DefaultTerminal, messages: &Receiver<Message>) -> io::Result<()> {
    let (mut seen, mut panes) = (TopState::default(), Panes::default());
    let coloured = terminal::is_coloured();
    loop {
        terminal.draw(|frame| draw::draw(frame, &seen, &mut panes, coloured))?;
        let mut next = match messages.recv_timeout(STILL) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        // All waiting messages are handled before the screen is drawn again.
        while let Some(message) = next {
            match message {
                Message::End => return Ok(()),
                Message::Terminal(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    if panes.key(key) == After::Quit {
                        return Ok(());
                    }
                }
                Message::Terminal(_) => {}
                Message::Daemon(answer) if panes.is_paused() => drop(answer),
                Message::Daemon(answer) => seen.take(*answer, Instant::now()),
            }
            next = messages.try_recv().ok();
        }
    }
}
