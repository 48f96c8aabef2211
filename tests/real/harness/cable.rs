//! A cable to a port that a test can cut.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A cable between the browser and a port. When it is cut, the browser's network has changed.
pub struct Cable {
    /// The port for the browser.
    pub port: u16,
    ends: Arc<Mutex<Vec<TcpStream>>>,
    unplugged: Arc<AtomicBool>,
}

impl Cable {
    /// A cable to this port on 127.0.0.1.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let ends = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&ends);
        let unplugged = Arc::new(AtomicBool::new(false));
        let is_unplugged = Arc::clone(&unplugged);
        // The thread ends with the process of the test.
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if is_unplugged.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let copies = [near.try_clone().unwrap(), far.try_clone().unwrap()];
                kept.lock().unwrap().extend(copies);
                carry(near.try_clone().unwrap(), far.try_clone().unwrap());
                carry(far, near);
            }
        });
        Self { port: own, ends, unplugged }
    }

    /// Cuts every connection. New ones end at once, until [`Self::plug`].
    pub fn unplug(&self) {
        self.unplugged.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Lets new connections through again.
    pub fn plug(&self) {
        self.unplugged.store(false, Ordering::SeqCst);
    }

    /// Cuts every connection. New ones can be made.
    pub fn cut(&self) {
        for end in self.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || -> io::Result<()> {
        let mut space = vec![0; 16 * 1024];
        loop {
            let count = from.read(&mut space)?;
            if count == 0 {
                return to.shutdown(Shutdown::Write);
            }
            to.write_all(&space[..count])?;
        }
    });
}
