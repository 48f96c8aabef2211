//! The time. A task that serves a connection reads the clock once in a turn at most.
//!
//! A turn is one call of the task's `poll`. A request needs the time in eight places, and it has two turns: the request
//! comes, and the answer comes. Reading the clock takes as long as a hundred other instructions.
//!
//! The time of a turn may be late by what the turn has lasted. That is less than a millisecond in most cases, and harms
//! no deadline. A loop that waits for a moment must not use it, because this time stands still.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

thread_local! {
    static TURN: Cell<Turn> = const { Cell::new(Turn::None) };
}

/// The turn of the thread's present task.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// There is none. Each question reads the clock.
    None,
    /// It has not asked for the time.
    Begun,
    /// It has asked for the time.
    At(Instant),
}

/// Ends the turn, even if the task panics.
struct Ending;

impl Drop for Ending {
    fn drop(&mut self) {
        TURN.set(Turn::None);
    }
}

/// A part of a task. Each of its polls is a turn.
#[derive(Debug)]
pub struct InTurns<F>(pub F);

impl<F: Future + Unpin> Future for InTurns<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        TURN.set(Turn::Begun);
        let _ending = Ending;
        Pin::new(&mut self.0).poll(cx)
    }
}

/// The time: in a turn the time of its first question, elsewhere the present moment.
pub fn now() -> Instant {
    // Tokio's clock is the system's clock, but tests can stop it.
    let read = || tokio::time::Instant::now().into_std();
    match TURN.get() {
        Turn::At(now) => now,
        Turn::None => read(),
        Turn::Begun => {
            let now = read();
            TURN.set(Turn::At(now));
            now
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_turn_has_one_time() {
        const SECOND: Duration = Duration::from_secs(1);
        let before = now();
        advance(SECOND).await;
        assert_eq!(now() - before, SECOND, "without a turn the clock is read");
        let mut moving = Box::pin(advance(SECOND));
        let begin = now();
        InTurns(poll_fn(|cx| {
            let before = now();
            let moved = moving.as_mut().poll(cx);
            assert_eq!(now(), before, "the clock has moved, but the turn is the same");
            moved
        }))
        .await;
        assert_eq!(now() - begin, SECOND, "the turn has ended");
        let panics = InTurns(poll_fn(|_| -> Poll<()> { panic!("{:?}", now()) }));
        assert!(tokio::spawn(panics).await.is_err());
        let before = now();
        advance(SECOND).await;
        assert_eq!(now() - before, SECOND, "a turn that panicked has ended, too");
    }
}
