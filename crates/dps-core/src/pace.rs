//! Whether an engine sends its opening ahead of the answers.

/// Decides, connection by connection, whether an engine sends all of its opening at once or waits
/// for each answer before it goes on. Engines of protocols with a greeting hold one.
///
/// Sending ahead saves round trips, and not every server bears it: one may close, say that it is
/// a fault, or lose what came early and stay silent. Only the first of these can be told from a
/// network that fails, so a connection on which the opening went ahead and no reply came counts
/// against sending ahead, whatever was the reason, and all that follow go step by step: a server
/// that dislikes it costs one connection, not one at every reconnection. Three kinds of connections
/// say nothing: those that never [reached](Self::reached) the service, those that failed for
/// [another reason](Self::excused), and the first failure after one that was sent ahead and
/// answered, since the service is known to bear it then.
///
/// What is learned is kept as long as the engine, which is for one registration. The worst that a
/// failing network does to a good server is that the rest of a registration takes a few round
/// trips more on each new connection.
///
/// ```
/// let mut pace = dps_core::Pace::default();
/// assert!(pace.begin());
/// pace.reached();
/// // The connection was lost without a reply.
/// assert!(!pace.begin());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    conservative: bool,
    trust: Trust,
    /// About the current connection.
    ahead: bool,
    reached: bool,
    /// It has brought a reply, or the reason why not.
    settled: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trust {
    /// Sending ahead may work.
    #[default]
    Likely,
    /// It has worked on the latest connection that tells.
    Proven,
    /// It has not.
    Lost,
}

impl Pace {
    /// One that goes step by step on every connection when `conservative`.
    pub fn new(conservative: bool) -> Self {
        Self { conservative, ..Self::default() }
    }

    /// Begins a new connection. Whether to send ahead on it.
    pub fn begin(&mut self) -> bool {
        if self.ahead && self.reached && !self.settled {
            self.trust = match self.trust {
                Trust::Proven => Trust::Likely,
                Trust::Likely | Trust::Lost => Trust::Lost,
            };
        }
        self.ahead = !self.conservative && self.trust != Trust::Lost;
        self.reached = false;
        self.settled = false;
        self.ahead
    }

    /// Whether this connection's opening was sent ahead.
    pub fn is_ahead(&self) -> bool {
        self.ahead
    }

    /// What is sent on this connection reaches the service.
    pub fn reached(&mut self) {
        self.reached = true;
    }

    /// This connection has brought a reply.
    pub fn answered(&mut self) {
        self.settled = true;
        if self.ahead && self.trust == Trust::Likely {
            self.trust = Trust::Proven;
        }
    }

    /// This connection brings no reply, for a reason that has nothing to do with sending ahead.
    pub fn excused(&mut self) {
        self.settled = true;
    }

    /// The service calls something a fault that sending ahead may be the reason for.
    pub fn blamed(&mut self) {
        if self.ahead {
            self.trust = Trust::Lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(pace: &mut Pace) -> bool {
        let ahead = pace.begin();
        pace.reached();
        ahead
    }

    fn answered(pace: &mut Pace) -> bool {
        let ahead = lost(pace);
        pace.answered();
        ahead
    }

    #[test]
    fn after_a_failure_all_connections_go_step_by_step() {
        let mut pace = Pace::default();
        assert!(lost(&mut pace));
        for _ in 0..3 {
            assert!(!lost(&mut pace));
            assert!(!answered(&mut pace), "that this worked says nothing about sending ahead");
        }
    }

    #[test]
    fn connections_that_never_reached_the_service_do_not_count() {
        let mut pace = Pace::default();
        for _ in 0..3 {
            assert!(pace.begin());
        }
        assert!(lost(&mut pace));
        assert!(!pace.begin());
    }

    #[test]
    fn connections_that_failed_for_another_reason_do_not_count() {
        let mut pace = Pace::default();
        for _ in 0..3 {
            assert!(lost(&mut pace));
            pace.excused();
        }
        assert!(lost(&mut pace));
        assert!(!pace.begin(), "nor do they prove anything");
    }

    #[test]
    fn what_has_worked_may_fail_once_but_not_twice_in_a_row() {
        let mut pace = Pace::default();
        for _ in 0..3 {
            assert!(answered(&mut pace));
            assert!(lost(&mut pace));
        }
        assert!(answered(&mut pace));
        assert!(lost(&mut pace));
        assert!(lost(&mut pace));
        assert!(!lost(&mut pace));
    }

    #[test]
    fn a_service_that_complains_is_believed_at_once() {
        let mut pace = Pace::default();
        assert!(answered(&mut pace));
        assert!(pace.begin());
        pace.blamed();
        assert!(!pace.begin());
        assert!(!answered(&mut pace));
        assert!(!pace.begin());
    }

    #[test]
    fn the_conservative_one_never_sends_ahead() {
        let mut pace = Pace::new(true);
        assert!(!answered(&mut pace));
        assert!(!lost(&mut pace));
        assert!(!pace.is_ahead());
    }
}
