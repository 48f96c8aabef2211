//! One step at a time: a client or a target sends only while the proxy sleeps.
//!
//! The instructions for the same work depend on what has arrived when the proxy looks: an answer that is there already
//! saves it a sleep. So the order is forced, and the same work takes the same number of instructions each time.

use std::fs;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::Failure;

/// The proxy counts as asleep if it has not run for this long. The second constant is how often this is tried.
const PAUSE: Duration = Duration::from_micros(400);
const LOOKS: usize = 50_000;

/// The proxy for which all clients and targets wait. It may be named after the streams were made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps(Arc<AtomicU32>);

/// The proxy's state at one moment.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    runs: bool,
    /// Processor time so far, in nanoseconds.
    time: u64,
}

impl Steps {
    /// Makes all streams wait for this process from now on.
    pub(crate) fn follow(&self, pid: u32) {
        self.0.store(pid, Ordering::Relaxed);
    }

    /// Waits until the proxy sleeps. Targets do not run meanwhile.
    pub(crate) fn wait(&self) -> io::Result<()> {
        let mut last = self.look();
        for _ in 0..LOOKS {
            std::thread::sleep(PAUSE);
            let now = self.look();
            if !now.runs && now == last {
                return Ok(());
            }
            last = now;
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the proxy does not come to rest"))
    }

    /// Waits until the proxy sleeps and no target has work either.
    pub(crate) async fn settle(&self) -> Result<(), Failure> {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.wait()?;
        }
        Ok(())
    }

    /// A stream that sends nothing while the proxy runs.
    pub(crate) fn stream(&self, tcp: TcpStream) -> Stepped {
        Stepped { tcp, steps: self.clone() }
    }

    fn look(&self) -> Look {
        let pid = self.0.load(Ordering::Relaxed);
        let mut look = Look { runs: false, time: 0 };
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return look };
        for task in tasks.flatten() {
            let text = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            let stat = text("stat");
            // The name in brackets may contain anything. The state follows it.
            let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
            look.runs |= !matches!(state, Some("S") | None);
            let ran = text("schedstat");
            look.time += ran.split(' ').next().and_then(|ran| ran.parse::<u64>().ok()).unwrap_or(0);
        }
        look
    }
}

/// See [`Steps::stream`].
#[derive(Debug)]
pub(crate) struct Stepped {
    tcp: TcpStream,
    steps: Steps,
}

impl AsyncRead for Stepped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stepped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.steps.wait()?;
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.steps.wait()?;
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.steps.wait()?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
