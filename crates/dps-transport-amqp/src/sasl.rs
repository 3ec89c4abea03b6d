//! The SASL layer (`wire-protocol.md` section 4.1).

pub(crate) mod tpm;

use crate::frame::{self, Layer};
use crate::value::{self, Composite};
use crate::violation::Violation;
use bytes::BytesMut;
use dps_core::{Error, ErrorKind, Identity, Pace, Stage};
use serde_amqp::Value;
use zeroize::Zeroizing;

pub(crate) const MECHANISMS: u64 = 0x40;
pub(crate) const CHALLENGE: u64 = 0x42;
pub(crate) const OUTCOME: u64 = 0x44;
const INIT: u8 = 0x41;
const RESPONSE: u8 = 0x43;

/// The most bytes of a response in the mechanism `TPM`, whose frames must not have more than 512.
const SEGMENT_LIMIT: usize = 470;

/// How the device proves who it is on this layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// With a SAS token as password.
    Plain,
    /// With the certificate of the TLS handshake; for servers that insist on this layer.
    External,
    /// With a token signed by a key that only the device's TPM can recover.
    Tpm,
}

impl Mechanism {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::External => "EXTERNAL",
            Self::Tpm => "TPM",
        }
    }

    /// Whether a sasl-mechanisms frame has this one.
    pub(crate) fn check_offered(self, mut frame: Composite) -> Result<(), Violation> {
        let is_this =
            |offer: &Value| matches!(offer, Value::Symbol(name) if name.as_str() == self.name());
        let offered = match frame.take(0) {
            Value::Array(offers) => offers.0.iter().any(is_this),
            // A single one may stand for itself.
            offer => is_this(&offer),
        };
        if offered { Ok(()) } else { Err(Violation::MechanismNotOffered(self.name())) }
    }
}

/// The name of a device as user, and of the node that serves it.
pub(crate) fn address(identity: &Identity) -> String {
    format!("{}/registrations/{}", identity.id_scope, identity.registration_id)
}

/// The sasl-init frame, without the optional host name, which TLS has named already: the
/// frame must not have more than 512 bytes, and a long registration id is in it twice.
///
/// One that is larger for all that is refused: servers close on it without a word.
pub(crate) fn init(mechanism: Mechanism, response: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let name = mechanism.name().as_bytes();
    let symbol = [&[0xa3, u8::try_from(name.len()).unwrap_or_default()], name].concat();
    performative(INIT, &symbol, response)
}

/// The initial response of PLAIN. No authorization identity.
pub(crate) fn plain<'a>(address: &'a str, token: &'a str) -> [&'a [u8]; 4] {
    [b"\0", address.as_bytes(), b"\0", token.as_bytes()]
}

/// The sasl-response frame.
pub(crate) fn response(response: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
    performative(RESPONSE, &[], response)
}

/// A field, and the response as the next one. Written without the codec and without reallocation,
/// so that no copy of a token stays behind.
fn performative(code: u8, field: &[u8], response: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let bytes: usize = response.iter().map(|part| part.len()).sum();
    let mut fields = Zeroizing::new(Vec::with_capacity(16 + field.len() + bytes));
    fields.extend_from_slice(field);
    variable(&mut fields, 0xb0, response);
    let mut frame = Zeroizing::new(Vec::with_capacity(16 + fields.len()));
    frame.extend_from_slice(&[0x00, 0x53, code, 0xd0]);
    frame.extend_from_slice(&length(fields.len() + 4));
    frame.extend_from_slice(&[0, 0, 0, if field.is_empty() { 1 } else { 2 }]);
    frame.extend_from_slice(&fields);
    let size = frame::HEADER + frame.len();
    if size > frame::SASL_FRAME {
        return Err(Error::new(Stage::Authenticate, ErrorKind::InvalidConfig).with_detail(format!(
            "id scope, registration id and token take {size} bytes in AMQP, which allows at most {}; \
             a shorter id or another transport helps",
            frame::SASL_FRAME
        )));
    }
    Ok(frame)
}

/// A value with a size of four bytes.
fn variable(out: &mut Vec<u8>, constructor: u8, parts: &[&[u8]]) {
    out.push(constructor);
    out.extend_from_slice(&length(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

pub(crate) fn write(out: &mut BytesMut, performative: &[u8]) {
    frame::write(out, Layer::Sasl, &[performative]);
}

/// What a sasl-outcome says. If the AMQP layer was opened ahead of it, some server's SASL layer
/// might take that for a fault of its own.
pub(crate) fn judge(mut outcome: Composite, pace: &mut Pace) -> Result<(), Error> {
    let code = match value::number(&outcome.take(0)) {
        Some(0) => return Ok(()),
        Some(code) => u8::try_from(code).unwrap_or(u8::MAX),
        None => return Err(Violation::Field("code").at(Stage::Authenticate)),
    };
    let kind = match code {
        2 if pace.is_ahead() => {
            pace.blamed();
            ErrorKind::ConnectionLost
        }
        code => {
            pace.excused();
            ErrorKind::SaslRejected { code }
        }
    };
    Err(Error::new(Stage::Authenticate, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_init_has_an_empty_authzid_then_address_and_token() {
        let init = init(Mechanism::Plain, &plain("s/registrations/d", "t0ken")).unwrap();
        let (init, length) = value::read(&init)
            .map(|(value, length)| (Composite::from_value(value).unwrap(), (length, init.len())))
            .unwrap();
        assert_eq!(length.0, length.1);
        let mut init = init;
        assert_eq!(init.code, 0x41);
        assert_eq!(init.take(0), value::symbol("PLAIN"));
        assert_eq!(init.take(1), value::binary(b"\0s/registrations/d\0t0ken".to_vec()));
    }

    #[test]
    fn a_mechanism_is_found_alone_or_among_others() {
        let frame =
            |field| Composite::from_value(value::composite(MECHANISMS, vec![field])).unwrap();
        let array = Value::Array(vec![value::symbol("TPM"), value::symbol("PLAIN")].into());
        assert_eq!(Mechanism::Plain.check_offered(frame(array.clone())), Ok(()));
        assert_eq!(Mechanism::Plain.check_offered(frame(value::symbol("PLAIN"))), Ok(()));
        for field in [array, value::symbol("PLAIN"), Value::Null, value::string("EXTERNAL")] {
            assert_eq!(
                Mechanism::External.check_offered(frame(field)),
                Err(Violation::MechanismNotOffered("EXTERNAL"))
            );
        }
    }

    #[test]
    fn the_largest_init_fills_a_frame_of_512_bytes() {
        let framed = |token: usize| {
            let token = "t".repeat(token);
            init(Mechanism::Plain, &plain("s/registrations/d", &token)).map(|init| {
                let mut out = BytesMut::new();
                write(&mut out, &init);
                out.len()
            })
        };
        let most = (0..512).rev().find(|&token| framed(token).is_ok()).unwrap();
        assert_eq!(framed(most).unwrap(), 512);
        assert!(framed(most + 1).unwrap_err().to_string().contains("513 bytes"));
    }

    #[test]
    fn outcomes_are_told_apart() {
        let outcome = |code, pipelined: bool| {
            let mut pace = Pace::new(!pipelined);
            pace.begin();
            let frame = value::composite(OUTCOME, vec![Value::Ubyte(code)]);
            let result = judge(Composite::from_value(frame).unwrap(), &mut pace);
            result.map_err(|error| error.kind().clone())
        };
        for pipelined in [false, true] {
            assert_eq!(outcome(0, pipelined), Ok(()));
            for code in [1, 3, 4, 9] {
                assert_eq!(outcome(code, pipelined), Err(ErrorKind::SaslRejected { code }));
            }
        }
        assert_eq!(outcome(2, false), Err(ErrorKind::SaslRejected { code: 2 }));
        assert_eq!(outcome(2, true), Err(ErrorKind::ConnectionLost));
    }
}
