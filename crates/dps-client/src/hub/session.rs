//! One connection to a hub, engine and link together, as a machine without I/O.

use core::time::Duration;
use dps_core::{Error, ErrorKind, Now, Stage, Timestamp};
use dps_hub_mqtt::{Event, HubEngine, HubOpening, Request, RequestId};
use dps_transport::Link;
use std::collections::{BTreeMap, VecDeque};
use zeroize::Zeroizing;

/// Handed to the link at a time: one TLS record.
const PIECE_BYTES: usize = 16 * 1024;

/// The connection's life: it begins before there is a wire, and ends once, with an error or by
/// [`close`](Self::close).
#[derive(Debug)]
pub(super) struct HubSession {
    engine: HubEngine,
    opening: HubOpening,
    link: Option<Link>,
    /// How far it has come.
    stage: Stage,
    /// When it must be connected.
    connect_by: Option<Timestamp>,
    connect_timeout: Duration,
    request_timeout: Duration,
    /// What has no answer yet, and when it must have.
    pending: BTreeMap<RequestId, Timestamp>,
    events: VecDeque<Event>,
    /// Why it is over, until that is told.
    end: Option<Error>,
    is_over: bool,
}

impl HubSession {
    pub(super) fn new(
        opening: HubOpening,
        connect_timeout: Duration,
        request_timeout: Duration,
        now: Now,
    ) -> Self {
        Self {
            engine: HubEngine::new(),
            opening,
            link: None,
            stage: Stage::Resolve,
            connect_by: Some(now.at + connect_timeout),
            connect_timeout,
            request_timeout,
            pending: BTreeMap::new(),
            events: VecDeque::new(),
            end: None,
            is_over: false,
        }
    }

    /// What has happened, oldest first.
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Why it is over, once it is.
    pub(super) fn take_end(&mut self) -> Option<Error> {
        if self.events.is_empty() { self.end.take() } else { None }
    }

    pub(super) fn has_output(&self) -> bool {
        !self.events.is_empty() || self.end.is_some()
    }

    /// Whether requests may be made.
    pub(super) fn is_connected(&self) -> bool {
        self.connect_by.is_none() && !self.is_over
    }

    /// The connection attempt has come this far.
    pub(super) fn reached(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// The wire is open.
    pub(super) fn opened(&mut self, now: Now, link: Link) {
        self.stage = link.pending_stage().unwrap_or(Stage::Hub);
        self.link = Some(link);
        let result = self.engine.open(now, &self.opening);
        self.settle(result);
    }

    /// Bytes came from the wire.
    pub(super) fn receive(&mut self, now: Now, wire: &[u8]) {
        let Some(link) = &mut self.link else { return };
        let mut up = Vec::new();
        let mut result = link.receive(now, wire, &mut up);
        self.stage = link.pending_stage().unwrap_or(Stage::Hub);
        // What arrived before a fault counts.
        if !up.is_empty() {
            result = self.engine.receive(now, &up).and(result);
        }
        self.settle(result);
    }

    /// Appends what is to be put on the wire.
    pub(super) fn transmit(&mut self, now: Now, wire: &mut Vec<u8>) {
        let result = self.carry(now, wire);
        self.settle(result);
    }

    fn carry(&mut self, now: Now, wire: &mut Vec<u8>) -> Result<(), Error> {
        let Some(link) = &mut self.link else { return Ok(()) };
        // Holds the token in clear.
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        self.engine.transmit(&mut bytes);
        // In pieces: TLS buffers less than the largest message.
        for piece in bytes.chunks(PIECE_BYTES) {
            link.send(now, piece)?;
            link.transmit(now, wire)?;
        }
        link.transmit(now, wire)
    }

    /// The wire is closed, or could not be opened.
    pub(super) fn lost(&mut self, error: Error) {
        self.settle(Err(error));
    }

    /// Asks the hub for something.
    pub(super) fn request(&mut self, now: Now, request: &Request) -> Result<RequestId, Error> {
        let id = self.engine.request(now, request)?;
        self.pending.insert(id, now.at + self.request_timeout);
        Ok(id)
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        if self.is_over {
            return None;
        }
        let request = self.pending.values().min().copied();
        [self.connect_by, request, self.engine.next_timeout()].into_iter().flatten().min()
    }

    /// Ends the connection when something takes too long, and keeps it alive.
    pub(super) fn handle_timeout(&mut self, now: Now) {
        let exceeded = |limit| {
            let kind = ErrorKind::DeadlineExceeded { during: self.stage, limit };
            Err(Error::new(Stage::Deadline, kind))
        };
        let result = if self.connect_by.is_some_and(|due| due <= now.at) {
            exceeded(self.connect_timeout)
        } else if self.pending.values().any(|due| *due <= now.at) {
            exceeded(self.request_timeout)
        } else {
            self.engine.handle_timeout(now)
        };
        self.settle(result);
    }

    /// Says goodbye on all layers. Gives the last bytes for the wire.
    pub(super) fn close(&mut self, now: Now) -> Vec<u8> {
        let mut farewell = Vec::new();
        self.engine.close();
        let _ = self.carry(now, &mut farewell);
        if let Some(mut link) = self.link.take() {
            link.close(now);
            let _ = link.transmit(now, &mut farewell);
        }
        farewell
    }

    fn settle(&mut self, result: Result<(), Error>) {
        while let Some(event) = self.engine.poll_event() {
            match &event {
                Event::Connected => self.connect_by = None,
                Event::Acknowledged { request } => drop(self.pending.remove(request)),
                // What nobody asked, or does not wait for any more, is no answer.
                Event::Answered { request, .. } if self.pending.remove(request).is_none() => {
                    continue;
                }
                _ => {}
            }
            self.events.push_back(event);
        }
        if let Err(error) = result
            && !self.is_over
        {
            // Whichever layer noticed it, it is lost where it stood.
            let error = match error.kind() {
                ErrorKind::ConnectionLost if self.link.is_some() => error.at_stage(self.stage),
                _ => error,
            };
            tracing::warn!(%error, "the connection to the hub has ended");
            self.end = Some(error);
            self.is_over = true;
        }
    }
}
