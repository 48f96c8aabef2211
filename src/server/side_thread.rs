//! A thread with a runtime of its own. It runs one future until it is dropped. Its work must delay neither signals nor
//! the watchdog, and a reload must not interrupt it.

use std::io;
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

/// The thread. A drop stops the future and waits for the thread's end.
#[derive(Debug)]
pub(super) struct SideThread {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl SideThread {
    /// Starts a thread called `name` that runs `future`.
    pub(super) fn start(name: &str, future: impl Future<Output = ()> + Send + 'static) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = future => {}
                    () = stopped.cancelled() => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for SideThread {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
