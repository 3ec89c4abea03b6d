//! Two buffers that look like a stream.

use std::io::{ErrorKind, Read, Result, Write};
use zeroize::{Zeroize as _, Zeroizing};

/// A stream that never blocks and never ends: what has arrived can be read, what is written
/// waits to be taken.
#[derive(Debug, Default)]
pub(super) struct Memory {
    arrived: Vec<u8>,
    read: usize,
    /// Holds what was masked together with the mask, and so perhaps a token.
    written: Zeroizing<Vec<u8>>,
}

impl Memory {
    /// With bytes to send already.
    pub(super) fn sending(written: Vec<u8>) -> Self {
        Self { written: Zeroizing::new(written), ..Self::default() }
    }

    /// Takes bytes from below.
    pub(super) fn arrived(&mut self, bytes: &[u8]) {
        self.arrived.extend_from_slice(bytes);
    }

    /// Moves what was written to the end of `down`.
    pub(super) fn transmit(&mut self, down: &mut Vec<u8>) {
        down.extend_from_slice(&self.written);
        self.written.zeroize();
    }

    /// Writes a frame's payload (RFC 6455 section 5.3).
    pub(super) fn write_masked(&mut self, bytes: &[u8], mask: [u8; 4]) {
        self.written.reserve(bytes.len());
        self.written.extend(bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }
}

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut rest = self.arrived.get(self.read..).unwrap_or_default();
        if rest.is_empty() {
            self.arrived.clear();
            self.read = 0;
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = rest.read(buffer)?;
        self.read += count;
        Ok(count)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
