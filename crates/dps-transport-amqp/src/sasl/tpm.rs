//! The mechanism `TPM` (`wire-protocol.md` section 4.5).
//!
//! The device sends its endorsement key with sasl-init, then answers challenges of two kinds, told
//! apart by the first bit of their first byte: a request for what is left to send, the storage root
//! key last, and a segment of the activation blob. Each segment has a number that counts modulo 4,
//! and the last one a mark. The token is the answer to the last segment.

use super::SEGMENT_LIMIT;
use crate::violation::Violation;
use dps_core::{ActivationBlob, Error, ErrorKind, Identity, Stage, TpmKeys};
use std::collections::VecDeque;

/// In front of a segment.
const SEGMENT: u8 = 0x80;
/// In front of the last segment, besides.
const LAST: u8 = 0x40;
/// The number of a segment.
const NUMBER: u8 = 0x03;
/// In front of all else.
const WHOLE: u8 = 0x00;

/// The device's side of one exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// What is asked for one by one: what did not fit into init, and the storage root key.
    unsent: VecDeque<Vec<u8>>,
    blob: Vec<u8>,
    /// Of the next segment.
    number: u8,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Collecting,
    /// The blob is complete, and the token not there yet.
    Complete,
    /// The token is sent.
    Answered,
}

/// What a challenge leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Answer with this.
    Respond(Vec<u8>),
    /// Answer with a token that is signed with the key in this.
    Prove(ActivationBlob),
}

impl Exchange {
    /// Gives the initial response, too.
    pub(crate) fn begin(identity: &Identity, keys: &TpmKeys) -> Result<(Vec<u8>, Self), Error> {
        let mut device = Vec::with_capacity(SEGMENT_LIMIT);
        device.extend_from_slice(identity.id_scope.as_str().as_bytes());
        device.push(0);
        device.extend_from_slice(identity.registration_id.as_str().as_bytes());
        device.push(0);
        device.extend_from_slice(&keys.endorsement_key);
        let mut unsent: VecDeque<Vec<u8>> = match device.len() < SEGMENT_LIMIT {
            true => [whole(&device)].into(),
            false => segments(&device).ok_or_else(|| {
                too_large("the TPM's endorsement key with the device's ids", device.len())
            })?,
        };
        let init = unsent.pop_front().unwrap_or_default();
        let storage_root_key = whole(&keys.storage_root_key);
        if storage_root_key.len() > SEGMENT_LIMIT {
            return Err(too_large("the TPM's storage root key", storage_root_key.len()));
        }
        unsent.push_back(storage_root_key);
        let (blob, number, state) = (Vec::new(), 0, State::Collecting);
        Ok((init, Self { unsent, blob, number, state }))
    }

    /// Takes a challenge.
    pub(crate) fn challenge(&mut self, bytes: &[u8]) -> Result<Step, Error> {
        let fault = |problem| Violation::TpmChallenge(problem).at(Stage::Authenticate);
        match self.state {
            State::Collecting => {}
            State::Complete => return Err(fault("it comes before the answer to the last one")),
            State::Answered => {
                return Err(Error::new(Stage::Authenticate, ErrorKind::SaslRejected { code: 1 })
                    .with_detail(
                        "the service asks for another proof instead of accepting this one",
                    ));
            }
        }
        let Some((&control, segment)) = bytes.split_first() else {
            return Err(fault("it is empty"));
        };
        if control & SEGMENT == 0 {
            let next = self.unsent.pop_front();
            return next.map(Step::Respond).ok_or_else(|| fault("all was sent that it asks for"));
        }
        if !self.unsent.is_empty() {
            return Err(fault("it has a key before it has asked for the storage root key"));
        }
        if control & NUMBER != self.number {
            return Err(fault("a segment is missing or comes twice"));
        }
        if segment.is_empty() {
            return Err(fault("a segment is empty"));
        }
        self.number = (self.number + 1) & NUMBER;
        self.blob.extend_from_slice(segment);
        if self.blob.len() > ActivationBlob::MAX_BYTES {
            return Err(fault("the key is too large"));
        }
        if control & LAST == 0 {
            return Ok(Step::Respond(whole(&[])));
        }
        let blob = ActivationBlob::new(core::mem::take(&mut self.blob));
        self.state = State::Complete;
        blob.map(Step::Prove).map_err(|_| fault("the key is too large"))
    }

    /// The answer with the token, in two parts. None when nothing asks for it.
    pub(crate) fn prove<'a>(&mut self, token: &'a [u8]) -> Option<[&'a [u8]; 2]> {
        if self.state != State::Complete {
            return None;
        }
        self.state = State::Answered;
        Some([&[WHOLE], token])
    }
}

fn whole(bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(bytes.len() + 1);
    whole.push(WHOLE);
    whole.extend_from_slice(bytes);
    whole
}

/// Four segments at most, since their numbers have no more values and each is counted once.
fn segments(bytes: &[u8]) -> Option<VecDeque<Vec<u8>>> {
    let chunks = bytes.chunks(SEGMENT_LIMIT - 1);
    let last = chunks.len() - 1;
    if last > usize::from(NUMBER) {
        return None;
    }
    let control = |index: usize| {
        let mark = if index == last { SEGMENT | LAST } else { SEGMENT };
        mark | u8::try_from(index).unwrap_or_default()
    };
    let all = chunks.enumerate().map(|(index, chunk)| [&[control(index)], chunk].concat());
    Some(all.collect())
}

fn too_large(what: &str, bytes: usize) -> Error {
    Error::new(Stage::Authenticate, ErrorKind::InvalidConfig)
        .with_detail(format!("{what}: {bytes} bytes are too many for AMQP; HTTPS takes them"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dps_core::{IdScope, RegistrationId};

    fn keys(endorsement_key: usize) -> TpmKeys {
        TpmKeys { endorsement_key: vec![0xee; endorsement_key], storage_root_key: vec![0x55; 284] }
    }

    fn begin(id: &str, keys: &TpmKeys) -> Result<(Vec<u8>, Exchange), Error> {
        let identity = Identity {
            id_scope: IdScope::new("0ne00111111").unwrap(),
            registration_id: RegistrationId::new(id).unwrap(),
        };
        Exchange::begin(&identity, keys)
    }

    fn storage_root_key() -> Step {
        Step::Respond([&[0][..], &[0x55; 284]].concat())
    }

    fn ready() -> Exchange {
        let (_, mut exchange) = begin("dev1", &keys(316)).unwrap();
        assert_eq!(exchange.challenge(&[0]).unwrap(), storage_root_key());
        exchange
    }

    #[test]
    fn the_exchange_of_section_4_5() {
        let (init, mut exchange) = begin("dev1", &keys(316)).unwrap();
        assert_eq!(init, [&b"\x000ne00111111\0dev1\0"[..], &[0xee; 316]].concat());
        assert_eq!(exchange.challenge(&[0]).unwrap(), storage_root_key());
        let first = [&[0x80][..], &[1; 437]].concat();
        assert_eq!(exchange.challenge(&first).unwrap(), Step::Respond(vec![0]));
        let second = [&[0xc1][..], &[2; 436]].concat();
        let blob = [&[1; 437][..], &[2; 436]].concat();
        let expected = ActivationBlob::new(blob).unwrap();
        assert_eq!(exchange.challenge(&second).unwrap(), Step::Prove(expected));
        assert_eq!(exchange.prove(b"token"), Some([&b"\0"[..], b"token"]));
        assert_eq!(exchange.prove(b"token"), None, "once");
        let error = exchange.challenge(&[0]).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::SaslRejected { code: 1 });
    }

    #[test]
    fn a_key_comes_in_one_segment_or_in_many() {
        let mut exchange = ready();
        let whole = ActivationBlob::new(vec![9]).unwrap();
        assert_eq!(exchange.challenge(&[0xc0, 9]).unwrap(), Step::Prove(whole));
        let mut exchange = ready();
        for number in 0..9u8 {
            let step = exchange.challenge(&[0x80 | number & 3, number]).unwrap();
            assert_eq!(step, Step::Respond(vec![0]));
        }
        let blob = ActivationBlob::new((0..10).collect()).unwrap();
        assert_eq!(exchange.challenge(&[0xc1, 9]).unwrap(), Step::Prove(blob));
    }

    #[test]
    fn challenges_that_do_not_fit_are_refused() {
        let (_, mut early) = begin("dev1", &keys(316)).unwrap();
        let complete = || {
            let mut exchange = ready();
            exchange.challenge(&[0xc0, 9]).unwrap();
            exchange
        };
        let mut second = ready();
        second.challenge(&[0x80, 9]).unwrap();
        for (exchange, challenge, words) in [
            (&mut early, &[0xc0, 9][..], "before it has asked"),
            (&mut ready(), &[], "is empty"),
            (&mut ready(), &[0], "all was sent"),
            (&mut ready(), &[0xc1, 9], "missing or comes twice"),
            (&mut ready(), &[0x80], "segment is empty"),
            (&mut ready(), &[0xc0], "segment is empty"),
            (&mut second, &[0x80, 9], "missing or comes twice"),
            (&mut complete(), &[0], "before the answer"),
            (&mut complete(), &[0xc1, 9], "before the answer"),
        ] {
            let error = exchange.challenge(challenge).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Protocol, "{challenge:02x?}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_key_without_an_end_is_refused() {
        let mut exchange = ready();
        let refused = (0..64u8).find_map(|number| {
            let segment = [&[0x80 | number & 3][..], &[7; 400]].concat();
            exchange.challenge(&segment).err().map(|error| (number, error))
        });
        let (number, error) = refused.expect("not taken for ever");
        assert_eq!(number, 10, "4096 bytes are in eleven segments of 400");
        assert_eq!(*error.kind(), ErrorKind::Protocol);
    }

    #[test]
    fn init_is_split_when_it_has_more_than_470_bytes() {
        // 0, scope, 0, id, 0.
        let rest = 1 + 11 + 1 + 4 + 1;
        let (init, exchange) = begin("dev1", &keys(470 - rest)).unwrap();
        assert_eq!((init.len(), init[0], exchange.unsent.len()), (470, 0, 1));

        let (init, mut exchange) = begin("dev1", &keys(470 - rest + 1)).unwrap();
        assert_eq!((init.len(), init[0]), (470, 0x80));
        let Step::Respond(second) = exchange.challenge(&[0]).unwrap() else { panic!("no segment") };
        assert_eq!(second, [0xc1, 0xee]);
        assert_eq!([&init[1..13], &init[13..18]], [&b"0ne00111111\0"[..], b"dev1\0"]);
        assert_eq!(exchange.challenge(&[0]).unwrap(), storage_root_key());

        let (init, exchange) = begin("dev1", &keys(1500)).unwrap();
        let controls: Vec<u8> = exchange.unsent.iter().map(|segment| segment[0]).collect();
        assert_eq!((init[0], controls.as_slice()), (0x80, &[0x81, 0x82, 0xc3, 0][..]));
    }

    #[test]
    fn what_no_frame_can_carry_is_said_before_anything_is_sent() {
        let large = TpmKeys { storage_root_key: vec![0; 470], ..keys(316) };
        for keys in [keys(2000), large] {
            let error = begin("dev1", &keys).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains("HTTPS"), "{error}");
        }
    }
}
