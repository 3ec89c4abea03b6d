//! The mechanism `TPM` (`wire-protocol.md` section 4.5), the service's side.
//!
//! The challenge always goes out in exactly two segments, with the first bytes 0x80 and 0xc1: the
//! Java client takes no others.

use crate::service::DeviceIdentity;
use dps_core::RegistrationId;

/// Asks for what comes next: the rest of the first message, or the storage root key.
const GO_ON: u8 = 0x00;
const SEGMENT: u8 = 0x80;
const LAST: u8 = 0x40;
const NUMBER: u8 = 0x03;
/// The most bytes of one message, in whatever number of segments. Real ones have up to 470.
const MOST_BYTES: usize = 4096;

/// One exchange.
#[derive(Debug, Default)]
pub(in super::super) struct Exchange {
    awaited: Awaited,
    /// A message that comes in segments.
    partial: Vec<u8>,
    segments: u8,
    device: Option<(DeviceIdentity, Vec<u8>)>,
    /// The second segment of the challenge.
    rest: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaited {
    /// Scope, registration id and endorsement key.
    #[default]
    Device,
    StorageRootKey,
    /// That the first segment has arrived.
    Interim,
    Token,
}

/// What a message of the client leads to.
pub(in super::super) enum Step {
    /// A challenge of this content.
    Challenge(Vec<u8>),
    /// The challenge must be made; then goes on with [`Exchange::segments`].
    Make {
        /// Whom for.
        identity: DeviceIdentity,
        /// As it came.
        endorsement_key: Vec<u8>,
        /// As it came.
        storage_root_key: Vec<u8>,
    },
    /// This is the token of the device.
    Judge(DeviceIdentity, Vec<u8>),
    /// The exchange has failed. Why, for the log.
    Refuse(&'static str),
}

impl Exchange {
    /// Takes the initial response or a later one.
    pub(in super::super) fn receive(&mut self, bytes: &[u8]) -> Step {
        let Some((&control, content)) = bytes.split_first() else {
            return Step::Refuse("an empty TPM response");
        };
        if self.partial.len() + content.len() > MOST_BYTES {
            return Step::Refuse("a TPM response that is too long");
        }
        if control & SEGMENT == 0 {
            if self.segments > 0 {
                return Step::Refuse("a TPM response that lacks its last segment");
            }
            return self.message(content.to_vec());
        }
        if control & NUMBER != self.segments & NUMBER {
            return Step::Refuse("a segment of a TPM response out of its turn");
        }
        self.partial.extend_from_slice(content);
        if control & LAST == 0 {
            self.segments = self.segments.wrapping_add(1);
            // Segments of no bytes would go on for ever.
            return match content.is_empty() {
                true => Step::Refuse("an empty segment of a TPM response"),
                false => Step::Challenge(vec![GO_ON]),
            };
        }
        self.segments = 0;
        let message = std::mem::take(&mut self.partial);
        self.message(message)
    }

    fn message(&mut self, content: Vec<u8>) -> Step {
        match (self.awaited, self.device.as_ref()) {
            (Awaited::Device, _) => match device(&content) {
                Ok(device) => {
                    self.device = Some(device);
                    self.awaited = Awaited::StorageRootKey;
                    Step::Challenge(vec![GO_ON])
                }
                Err(problem) => Step::Refuse(problem),
            },
            (Awaited::StorageRootKey, Some((identity, endorsement_key))) => Step::Make {
                identity: identity.clone(),
                endorsement_key: endorsement_key.clone(),
                storage_root_key: content,
            },
            (Awaited::Interim, _) => {
                self.awaited = Awaited::Token;
                let last = SEGMENT | LAST | 1;
                Step::Challenge([&[last], self.rest.as_slice()].concat())
            }
            (Awaited::Token, Some((identity, _))) => Step::Judge(identity.clone(), content),
            (_, None) => Step::Refuse("a TPM response before the device is known"),
        }
    }

    /// The content of the first of two challenges with the blob.
    pub(in super::super) fn segments(&mut self, blob: &[u8]) -> Vec<u8> {
        let (first, rest) = blob.split_at(blob.len().div_ceil(2));
        self.rest = rest.to_vec();
        self.awaited = Awaited::Interim;
        [&[SEGMENT], first].concat()
    }
}

/// Scope, NUL, registration id, NUL, endorsement key.
fn device(content: &[u8]) -> Result<(DeviceIdentity, Vec<u8>), &'static str> {
    let mut parts = content.splitn(3, |byte| *byte == 0);
    let (Some(scope), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("a TPM response without two NULs");
    };
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let (Some(scope), Some(id)) = (text(scope), text(id)) else {
        return Err("a TPM response whose ids are no text");
    };
    let id = RegistrationId::new(id).map_err(|_| "a TPM response without a registration id")?;
    Ok((DeviceIdentity::new(scope, id), key.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(step: Step) -> Vec<u8> {
        match step {
            Step::Challenge(content) => content,
            Step::Refuse(problem) => panic!("{problem}"),
            _ => panic!("no challenge"),
        }
    }

    fn made(step: Step) -> (String, Vec<u8>, Vec<u8>) {
        match step {
            Step::Make { identity, endorsement_key, storage_root_key } => {
                let name = format!("{}/{}", identity.id_scope, identity.registration_id);
                (name, endorsement_key, storage_root_key)
            }
            _ => panic!("nothing to make"),
        }
    }

    #[test]
    fn the_exchange_of_section_4_5() {
        let mut exchange = Exchange::default();
        assert_eq!(challenge(exchange.receive(b"\0scope\0dev1\0EK\0with a NUL")), [0]);
        let (name, endorsement, storage) = made(exchange.receive(b"\0SRK"));
        assert_eq!((name.as_str(), endorsement.as_slice()), ("scope/dev1", &b"EK\0with a NUL"[..]));
        assert_eq!(storage, b"SRK");
        assert_eq!(exchange.segments(&[1, 2, 3]), [0x80, 1, 2]);
        assert_eq!(challenge(exchange.receive(&[0])), [0xc1, 3]);
        let Step::Judge(identity, token) = exchange.receive(b"\0token") else { panic!("no end") };
        assert_eq!((identity.registration_id.as_str(), token.as_slice()), ("dev1", &b"token"[..]));
    }

    #[test]
    fn long_messages_come_in_segments() {
        let mut exchange = Exchange::default();
        assert_eq!(challenge(exchange.receive(b"\x80scope\0de")), [0]);
        assert_eq!(challenge(exchange.receive(b"\x81v1\0E")), [0]);
        assert_eq!(challenge(exchange.receive(b"\xc2K")), [0]);
        // The C client marks segments of the storage root key with another bit.
        assert_eq!(challenge(exchange.receive(b"\x90SR")), [0]);
        let (name, endorsement, storage) = made(exchange.receive(b"\xd1K"));
        assert_eq!(name, "scope/dev1");
        assert_eq!((endorsement.as_slice(), storage.as_slice()), (&b"EK"[..], &b"SRK"[..]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |messages: &[&[u8]]| {
            let mut exchange = Exchange::default();
            let last = messages.iter().map(|message| exchange.receive(message)).last();
            matches!(last, Some(Step::Refuse(_)))
        };
        let large = [0x80; 4099];
        for messages in [
            &[&b""[..]][..],
            &[b"\0"],
            &[b"\0scope\0dev1"],
            &[b"\0scope\0not an id\0EK"],
            &[b"\0scope\0\xff\0EK"],
            &[b"\x81scope"],
            &[b"\x80scope", b"\x80scope"],
            &[b"\x80scope", b"\0dev1\0EK"],
            &[b"\x80"],
            &[&large],
        ] {
            assert!(refused(messages), "{messages:02x?}");
        }
    }
}
