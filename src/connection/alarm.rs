//! A time that is moved on often and reached seldom.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// Wakes at a time that is moved on with every use. Its timer is set anew only when it has run out.
#[derive(Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready when `end` has come, which may not be earlier than it was before.
    pub fn poll(&mut self, cx: &mut Context<'_>, end: Instant) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(end)));
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_wakes_at_the_time_that_was_said_last() {
        let begun = Instant::now();
        let mut alarm = Alarm::default();
        for seconds in [3, 5, 9] {
            let end = begun + Duration::from_secs(seconds);
            let woken = poll_fn(|cx| Poll::Ready(alarm.poll(cx, end))).await;
            assert!(woken.is_pending(), "{seconds}");
        }
        let end = begun + Duration::from_secs(9);
        poll_fn(|cx| alarm.poll(cx, end)).await;
        assert_eq!(begun.elapsed().as_secs(), 9);
    }
}
