//! The last thing that a door's bytes pass on their way to the client: here faults delay them, cut
//! them off or keep them back.

use crate::faults::Disturbance;
use bytes::BytesMut;
use core::time::Duration;
use std::collections::VecDeque;

/// How long a client is borne that waits for what never comes.
pub(super) const SILENCE_PATIENCE: Duration = Duration::from_secs(600);
/// What may wait behind a delayed answer. A client that makes more come has its connection dropped.
const MOST_HELD_BYTES: usize = 1024 * 1024;

/// Bytes in the order in which they were written, and when they go out.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    ready: BytesMut,
    /// With the time from which on they may go out.
    held: VecDeque<(Duration, BytesMut)>,
    end: End,
}

/// Whether anything more goes out after what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    None,
    /// The connection is to be dropped.
    Cut,
    /// The connection stays, up to this time.
    Silence(Duration),
}

impl Outlet {
    /// Takes what a door has written. When a delayed answer waits, it waits behind that.
    pub(super) fn take(&mut self, written: BytesMut) {
        if self.end != End::None {
            return;
        }
        match self.held.back_mut() {
            Some((_, last)) => last.unsplit(written),
            None => self.ready.unsplit(written),
        }
        if self.held.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > MOST_HELD_BYTES {
            tracing::warn!("connection dropped: too much waits behind a delayed answer");
            self.held.clear();
            self.end = End::Cut;
        }
    }

    /// Takes an answer that a fault has struck.
    pub(super) fn disturb(&mut self, mut answer: BytesMut, how: Disturbance, now: Duration) {
        match how {
            // A client that asks without listening would else make any number of nothings wait.
            Disturbance::Delay(_) if answer.is_empty() => {}
            Disturbance::Delay(delay) if self.end == End::None => {
                let earlier = self.held.back().map_or(now, |(due, _)| *due);
                self.held.push_back((now.saturating_add(delay).max(earlier), answer));
            }
            Disturbance::Delay(_) => {}
            Disturbance::Cut(after) => {
                answer.truncate(after);
                self.take(answer);
                self.end = End::Cut;
            }
            Disturbance::Silence if self.end == End::None => {
                self.end = End::Silence(now.saturating_add(SILENCE_PATIENCE));
            }
            Disturbance::Silence => {}
        }
    }

    /// What may go out now.
    pub(super) fn transmit(&mut self) -> Vec<u8> {
        self.ready.split().to_vec()
    }

    /// Lets go what is due. Whether that was the last that was held.
    pub(super) fn release(&mut self, now: Duration) -> bool {
        let held_any = self.is_holding();
        while self.held.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, bytes)) = self.held.pop_front() {
                self.ready.unsplit(bytes);
            }
        }
        held_any && !self.is_holding()
    }

    /// Whether something waits for its time.
    pub(super) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether nothing that the client sends matters any more.
    pub(super) fn is_deaf(&self) -> bool {
        self.end != End::None
    }

    /// Whether the connection is to be dropped once what is ready has gone out.
    pub(super) fn is_cut(&self) -> bool {
        self.end == End::Cut && !self.is_holding()
    }

    /// When to look again.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        match (self.held.front(), self.end) {
            (Some((due, _)), _) => Some(*due),
            (None, End::Silence(until)) => Some(until),
            (None, End::None | End::Cut) => None,
        }
    }

    /// Whether the client has waited long enough for what never comes.
    pub(super) fn is_given_up(&self, now: Duration) -> bool {
        matches!(self.end, End::Silence(until) if until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn bytes(text: &str) -> BytesMut {
        BytesMut::from(text)
    }

    #[test]
    fn what_follows_a_delayed_answer_waits_behind_it() {
        let mut outlet = Outlet::default();
        outlet.take(bytes("before "));
        outlet.disturb(bytes("late "), Disturbance::Delay(Duration::from_secs(2)), NOW);
        outlet.take(bytes("after"));
        assert_eq!(outlet.transmit(), b"before ");
        assert_eq!(outlet.next_timeout(), Some(NOW + Duration::from_secs(2)));
        assert!(!outlet.release(NOW + Duration::from_secs(1)));
        assert_eq!(outlet.transmit(), b"");
        assert!(outlet.release(NOW + Duration::from_secs(2)));
        assert_eq!(outlet.transmit(), b"late after");
        assert_eq!(outlet.next_timeout(), None);
    }

    #[test]
    fn an_answer_is_cut_after_so_many_bytes_and_nothing_follows() {
        for (after, sent) in [(0, ""), (3, "ans"), (6, "answer"), (99, "answer")] {
            let mut outlet = Outlet::default();
            outlet.take(bytes("x"));
            outlet.disturb(bytes("answer"), Disturbance::Cut(after), NOW);
            outlet.take(bytes("more"));
            assert!(outlet.is_cut() && outlet.is_deaf());
            assert_eq!(outlet.transmit(), format!("x{sent}").as_bytes());
        }
    }

    #[test]
    fn a_cut_behind_a_delayed_answer_comes_after_it() {
        let mut outlet = Outlet::default();
        outlet.disturb(bytes("late "), Disturbance::Delay(Duration::from_secs(2)), NOW);
        outlet.disturb(bytes("cut"), Disturbance::Cut(1), NOW);
        assert!(!outlet.is_cut());
        outlet.release(NOW + Duration::from_secs(2));
        assert!(outlet.is_cut());
        assert_eq!(outlet.transmit(), b"late c");
    }

    #[test]
    fn silence_ends_after_its_time() {
        let mut outlet = Outlet::default();
        outlet.disturb(bytes("never"), Disturbance::Silence, NOW);
        outlet.take(bytes("more"));
        assert_eq!(outlet.transmit(), b"");
        let end = NOW + SILENCE_PATIENCE;
        assert_eq!(outlet.next_timeout(), Some(end));
        assert!(!outlet.is_given_up(NOW) && outlet.is_given_up(end) && !outlet.is_cut());
    }

    #[test]
    fn an_answer_of_no_bytes_does_not_wait() {
        let mut outlet = Outlet::default();
        outlet.disturb(bytes(""), Disturbance::Delay(Duration::from_secs(2)), NOW);
        assert!(!outlet.is_holding());
    }

    #[test]
    fn what_waits_behind_a_delayed_answer_has_a_limit() {
        let mut outlet = Outlet::default();
        outlet.disturb(bytes("late"), Disturbance::Delay(Duration::from_secs(2)), NOW);
        for _ in 0..=MOST_HELD_BYTES / 1000 {
            outlet.take(bytes(&"x".repeat(1000)));
        }
        assert!(outlet.is_cut());
        assert_eq!(outlet.transmit(), b"");
    }
}
