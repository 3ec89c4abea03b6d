//! A stack of layers between the protocol's bytes and the wire's.

use core::fmt;
use dps_core::{Error, Now, Stage};
use zeroize::Zeroizing;

/// One layer: TLS, a proxy's tunnel, a WebSocket. Like an engine it takes bytes and gives bytes,
/// and does no I/O.
pub trait Layer: Send {
    /// The stage whose errors this layer reports.
    fn stage(&self) -> Stage;

    /// Whether its handshake is over.
    fn is_ready(&self) -> bool;

    /// Takes bytes from the layer below (or the wire), and appends to `up` what they carry.
    ///
    /// # Errors
    ///
    /// When the link can no longer be used.
    fn receive(&mut self, now: Now, bytes: &[u8], up: &mut Vec<u8>) -> Result<(), Error>;

    /// Takes bytes from the layer above. Held back until the handshake is over.
    ///
    /// # Errors
    ///
    /// When the link can no longer be used.
    fn send(&mut self, now: Now, bytes: &[u8]) -> Result<(), Error>;

    /// Appends to `down` what the layer below (or the wire) is to carry.
    ///
    /// # Errors
    ///
    /// When the link can no longer be used.
    fn transmit(&mut self, now: Now, down: &mut Vec<u8>) -> Result<(), Error>;

    /// Queues the layer's farewell.
    fn close(&mut self);
}

/// Layers stacked on a byte stream, the lowest first.
///
/// A link without layers passes bytes through; in-memory tests use it.
#[derive(Default)]
pub struct Link {
    layers: Vec<Box<dyn Layer>>,
    /// What no layer is to change any more.
    plain: Vec<u8>,
}

impl Link {
    /// A link that passes bytes through unchanged.
    pub fn plain() -> Self {
        Self::default()
    }

    /// Puts `layer` on top.
    #[must_use]
    pub fn with(mut self, layer: impl Layer + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// The stage of the lowest layer whose handshake is not over; `None` once the protocol's
    /// bytes flow.
    pub fn pending_stage(&self) -> Option<Stage> {
        self.layers.iter().find(|layer| !layer.is_ready()).map(|layer| layer.stage())
    }

    /// Takes bytes from the wire and appends the protocol bytes in them to `up`.
    ///
    /// # Errors
    ///
    /// When the link can no longer be used. What arrived before the fault is in `up`.
    pub fn receive(&mut self, now: Now, wire: &[u8], up: &mut Vec<u8>) -> Result<(), Error> {
        let Some((top, lower)) = self.layers.split_last_mut() else {
            up.extend_from_slice(wire);
            return Ok(());
        };
        let Some((lowest, between)) = lower.split_first_mut() else {
            return top.receive(now, wire, up);
        };
        let mut bytes = Vec::new();
        let mut result = lowest.receive(now, wire, &mut bytes);
        for layer in between {
            let mut above = Vec::new();
            result = layer.receive(now, &bytes, &mut above).and(result);
            bytes = above;
        }
        // A fault below does not undo what came through before it.
        top.receive(now, &bytes, up).and(result)
    }

    /// Takes protocol bytes to send.
    ///
    /// # Errors
    ///
    /// When the link can no longer be used.
    pub fn send(&mut self, now: Now, bytes: &[u8]) -> Result<(), Error> {
        match self.layers.last_mut() {
            Some(top) => top.send(now, bytes),
            None => {
                self.plain.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Appends the bytes to put on the wire to `wire`.
    ///
    /// # Errors
    ///
    /// When the link can no longer be used. What is in `wire` should still be sent: it may say
    /// why.
    pub fn transmit(&mut self, now: Now, wire: &mut Vec<u8>) -> Result<(), Error> {
        wire.append(&mut self.plain);
        // May hold a token in clear, between a WebSocket and TLS.
        let mut carried = Zeroizing::new(Vec::new());
        for (index, layer) in self.layers.iter_mut().enumerate().rev() {
            if !carried.is_empty() {
                layer.send(now, &carried)?;
                carried.clear();
            }
            let down = if index == 0 { &mut *wire } else { &mut *carried };
            layer.transmit(now, down)?;
        }
        Ok(())
    }

    /// Queues the farewells of all layers, each before that of the layer that carries it. What
    /// goes wrong does not matter any more.
    pub fn close(&mut self, now: Now) {
        let mut carried = Vec::new();
        for layer in self.layers.iter_mut().rev() {
            if !carried.is_empty() {
                let _ = layer.send(now, &carried);
                carried.clear();
            }
            layer.close();
            let _ = layer.transmit(now, &mut carried);
        }
        self.plain.append(&mut carried);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("layers", &self.layers.len())
            .field("pending_stage", &self.pending_stage())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dps_core::Timestamp;

    /// Adds a mark to all that goes down and takes it off what comes up.
    struct Mark {
        mark: u8,
        queue: Vec<u8>,
    }

    impl Layer for Mark {
        fn stage(&self) -> Stage {
            Stage::Tls
        }
        fn is_ready(&self) -> bool {
            self.mark != b'2'
        }
        fn receive(&mut self, _: Now, bytes: &[u8], up: &mut Vec<u8>) -> Result<(), Error> {
            assert_eq!(bytes.last(), Some(&self.mark));
            up.extend_from_slice(&bytes[..bytes.len() - 1]);
            Ok(())
        }
        fn send(&mut self, _: Now, bytes: &[u8]) -> Result<(), Error> {
            self.queue.extend_from_slice(bytes);
            Ok(())
        }
        fn transmit(&mut self, _: Now, down: &mut Vec<u8>) -> Result<(), Error> {
            if !self.queue.is_empty() {
                down.append(&mut self.queue);
                down.push(self.mark);
            }
            Ok(())
        }
        fn close(&mut self) {
            self.queue.push(b'x');
        }
    }

    fn mark(mark: u8) -> Mark {
        Mark { mark, queue: Vec::new() }
    }

    #[test]
    fn bytes_pass_through_the_layers_in_order() {
        let now = Now::new(Timestamp::default(), 0);
        let mut link = Link::plain().with(mark(b'1')).with(mark(b'2'));
        assert_eq!(link.pending_stage(), Some(Stage::Tls));
        link.send(now, b"hello").unwrap();
        let mut wire = Vec::new();
        link.transmit(now, &mut wire).unwrap();
        assert_eq!(wire, b"hello21");
        let mut up = Vec::new();
        link.receive(now, b"reply21", &mut up).unwrap();
        assert_eq!(up, b"reply");
        link.close(now);
        wire.clear();
        link.transmit(now, &mut wire).unwrap();
        // Both layers say farewell, and the upper one's comes first, through the lower.
        assert_eq!(wire, b"x2x1");
    }

    #[test]
    fn a_plain_link_changes_nothing() {
        let now = Now::new(Timestamp::default(), 0);
        let mut link = Link::plain();
        assert_eq!(link.pending_stage(), None);
        link.send(now, b"abc").unwrap();
        let (mut wire, mut up) = (Vec::new(), Vec::new());
        link.transmit(now, &mut wire).unwrap();
        link.receive(now, b"def", &mut up).unwrap();
        assert_eq!((wire.as_slice(), up.as_slice()), (&b"abc"[..], &b"def"[..]));
    }
}
