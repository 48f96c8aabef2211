//! Messages to the service manager: a bounded queue, and a thread that sends each message as one datagram.
//!
//! A UNIX datagram socket makes its senders wait while its reader does not read. Here only the thread waits. Messages
//! keep their order: RELOADING=1 before READY=1 means something else than READY=1 before RELOADING=1.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, sendmsg_addr, socket_with,
};

/// How many messages may wait: one for each of many listening sockets, and a few reloads. When the queue is full its
/// oldest message is dropped. A manager that is so far behind misses many messages anyway.
const WAITING: usize = 512;

/// A message, and the descriptor that is sent with it, if there is one.
#[derive(Debug)]
pub(super) struct Message {
    text: String,
    socket: Option<OwnedFd>,
}

impl Message {
    /// A message without a descriptor.
    pub(super) fn new(text: String) -> Self {
        Self { text, socket: None }
    }

    /// A message with a descriptor.
    pub(super) fn with(text: String, socket: OwnedFd) -> Self {
        Self { text, socket: Some(socket) }
    }
}

/// The queue of messages.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Message>,
    /// A message has been taken out and is being sent.
    sending: bool,
    over: bool,
}

impl Waiting {
    fn is_idle(&self) -> bool {
        self.messages.is_empty() && !self.sending
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next message to send. `None`: the outbox is gone.
    fn next(&self) -> Option<Message> {
        let mut waiting = self.lock();
        waiting.sending = false;
        self.changed.notify_all();
        loop {
            if let Some(message) = waiting.messages.pop_front() {
                waiting.sending = true;
                return Some(message);
            }
            if waiting.over {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Outbox {
    /// An outbox to the socket at `address`: a path, or an abstract name with `@` in front.
    pub(super) fn to(address: &str) -> io::Result<Self> {
        let address = match address.strip_prefix('@') {
            Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())?,
            None => SocketAddrUnix::new(address)?,
        };
        let queue = Arc::new(Queue::default());
        let sending = Arc::clone(&queue);
        thread::Builder::new().name("notify".to_owned()).spawn(move || {
            while let Some(message) = sending.next() {
                // The manager may have closed its socket; then the message is lost.
                let _ = send(&address, &message);
            }
        })?;
        Ok(Self { queue })
    }

    /// Queues the message.
    pub(super) fn send(&self, message: Message) {
        let mut waiting = self.queue.lock();
        if waiting.messages.len() >= WAITING {
            waiting.messages.pop_front();
        }
        waiting.messages.push_back(message);
        self.queue.changed.notify_all();
    }

    /// Queues the message if the queue is empty. Otherwise the message is dropped.
    pub(super) fn send_if_idle(&self, message: Message) {
        let mut waiting = self.queue.lock();
        if waiting.is_idle() {
            waiting.messages.push_back(message);
            self.queue.changed.notify_all();
        }
    }

    /// Waits until every message has been sent, for `patience` at most.
    pub(super) fn flush(&self, patience: Duration) {
        let busy = |waiting: &mut Waiting| !waiting.is_idle();
        let waiting = self.queue.lock();
        drop(self.queue.changed.wait_timeout_while(waiting, patience, busy));
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.queue.lock().over = true;
        self.queue.changed.notify_all();
    }
}

/// Sends one message and waits until there is room for it.
fn send(address: &SocketAddrUnix, message: &Message) -> io::Result<()> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let words = [IoSlice::new(message.text.as_bytes())];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    let descriptor = message.socket.as_ref().map(|socket| [socket.as_fd()]);
    if let Some(descriptor) = &descriptor {
        beside.push(SendAncillaryMessage::ScmRights(descriptor));
    }
    loop {
        match sendmsg_addr(&socket, address, &words, &mut beside, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            sent => return Ok(sent.map(drop)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn message(number: usize) -> Message {
        Message::new(format!("STATUS={number}\n"))
    }

    /// Item 20: a reader that does not read makes no sender wait. When it reads it gets every message in order.
    #[test]
    fn a_reader_that_does_not_read_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let reader = UnixDatagram::bind(&path).unwrap();
        let outbox = Outbox::to(path.to_str().unwrap()).unwrap();
        (0..400).for_each(|number| outbox.send(message(number)));
        // The kernel holds a few messages, the others wait here. A sign of life does not queue behind them.
        (0..1000).for_each(|_| outbox.send_if_idle(Message::new("WATCHDOG=1\n".to_owned())));
        outbox.flush(Duration::from_millis(10));
        let mut text = [0; 64];
        for number in 0..400 {
            let length = reader.recv(&mut text).unwrap();
            assert_eq!(&text[..length], message(number).text.as_bytes());
        }
        outbox.flush(Duration::from_secs(60));
        outbox.send_if_idle(Message::new("WATCHDOG=1\n".to_owned()));
        let length = reader.recv(&mut text).unwrap();
        assert_eq!(&text[..length], b"WATCHDOG=1\n");
    }

    #[test]
    fn what_waits_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let _reader = UnixDatagram::bind(&path).unwrap();
        let outbox = Outbox::to(path.to_str().unwrap()).unwrap();
        (0..10 * WAITING).for_each(|number| outbox.send(message(number)));
        assert!(outbox.queue.lock().messages.len() <= WAITING);
    }
}
