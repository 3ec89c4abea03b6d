//! The SASL layer (`wire-protocol.md` section 4.1): what is offered and what a client answers.

mod tpm;

pub(super) use tpm::{Exchange, Step};

use super::address;
use super::wire::{self, Performative, Violation};
use crate::service::{Credentials, DeviceIdentity};
use bytes::BytesMut;
use serde_amqp::Value;
use serde_amqp::primitives::{Array, Symbol};
use zeroize::Zeroizing;

const MECHANISMS: u64 = 0x40;
const INIT: u64 = 0x41;
const CHALLENGE: u64 = 0x42;
const RESPONSE: u64 = 0x43;
const OUTCOME: u64 = 0x44;

/// Offered in this order.
const OFFERED: [&str; 4] = ["EXTERNAL", "ANONYMOUS", "PLAIN", "TPM"];

/// What a client chose.
pub(super) enum Choice {
    /// A device and its token, which may be empty.
    Plain(DeviceIdentity, Credentials),
    /// The certificate of the TLS handshake.
    External,
    /// Nothing; what the TLS handshake showed must do.
    Anonymous,
    /// A TPM, with the first message of its exchange.
    Tpm(Vec<u8>),
    /// Nothing that can be taken. Why, for the log.
    Unusable(&'static str),
}

pub(super) fn offer(out: &mut BytesMut) {
    let names: Vec<Value> = OFFERED.iter().map(|name| Value::Symbol(Symbol::from(*name))).collect();
    let offer = wire::list(MECHANISMS, vec![Value::Array(Array::from(names))]);
    wire::write_frame(out, true, 0, &[&offer]);
}

/// How it ends (AMQP 1.0 section 5.3.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok = 0,
    /// The credentials are not good.
    Auth = 1,
    /// Not now.
    SysTemp = 4,
}

pub(super) fn outcome(out: &mut BytesMut, outcome: Outcome) {
    let outcome = wire::list(OUTCOME, vec![Value::Ubyte(outcome as u8)]);
    wire::write_frame(out, true, 0, &[&outcome]);
}

pub(super) fn challenge(out: &mut BytesMut, content: Vec<u8>) {
    let challenge = wire::list(CHALLENGE, vec![Value::Binary(content.into())]);
    wire::write_frame(out, true, 0, &[&challenge]);
}

/// Reads the answer to a challenge.
pub(super) fn response(frame: Performative) -> Result<Zeroizing<Vec<u8>>, Violation> {
    let mut fields = frame.fields;
    match (frame.code, fields.0.first_mut().map(core::mem::take)) {
        (RESPONSE, Some(Value::Binary(response))) => Ok(Zeroizing::new(response.into_vec())),
        (RESPONSE, _) => Err(Violation::Field("response")),
        _ => Err(Violation::Unexpected("something else than sasl-response")),
    }
}

/// Reads the answer to the offer.
pub(super) fn choice(frame: Performative) -> Result<Choice, Violation> {
    if frame.code != INIT {
        return Err(Violation::Unexpected("something else than sasl-init"));
    }
    let mut fields = frame.fields;
    let mechanism = fields.text(0).ok_or(Violation::Field("mechanism"))?.to_owned();
    let response = match fields.0.get_mut(1).map(core::mem::take) {
        Some(Value::Binary(response)) => Zeroizing::new(response.into_vec()),
        _ => Zeroizing::default(),
    };
    Ok(match mechanism.as_str() {
        "PLAIN" => plain(&response),
        "EXTERNAL" => Choice::External,
        "ANONYMOUS" => Choice::Anonymous,
        "TPM" => Choice::Tpm(response.to_vec()),
        _ => Choice::Unusable("a SASL mechanism that was not offered"),
    })
}

/// Authorization identity, authentication identity and password, with NUL between them
/// (RFC 4616). The first may be anything: clients leave it empty.
fn plain(response: &[u8]) -> Choice {
    let mut parts = response.splitn(3, |byte| *byte == 0);
    let (_, name, password) = (parts.next(), parts.next(), parts.next());
    let Some((name, password)) = name.zip(password) else {
        return Choice::Unusable("a PLAIN response without two NULs");
    };
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let Some((name, password)) = text(name).zip(text(password)) else {
        return Choice::Unusable("a PLAIN response that is no text");
    };
    match address::parse(name) {
        Ok(identity) => Choice::Plain(identity, Credentials::sas_token(password)),
        Err(problem) => Choice::Unusable(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(mechanism: &str, response: &[u8]) -> Choice {
        let fields =
            vec![Value::Symbol(Symbol::from(mechanism)), Value::Binary(response.to_vec().into())];
        choice(Performative { code: INIT, fields: wire::Fields(fields) }).unwrap()
    }

    #[test]
    fn plain_names_the_device_and_its_token() {
        let Choice::Plain(identity, credentials) =
            chosen("PLAIN", b"\x000ne00111111/registrations/Dev:1.a_b-c\0SharedAccessSignature x")
        else {
            panic!("not taken");
        };
        assert_eq!(identity.id_scope, "0ne00111111");
        assert_eq!(identity.registration_id.as_str(), "Dev:1.a_b-c");
        assert!(
            matches!(credentials, Credentials::SasToken(token) if token.as_str() == "SharedAccessSignature x")
        );
    }

    #[test]
    fn what_is_no_plain_response_is_unusable() {
        for response in [
            &b""[..],
            b"\0",
            b"\0s/registrations/d",
            b"\0s/d\0token",
            b"\0s/registrations/\xff\0token",
            b"s/registrations/d\0token",
        ] {
            assert!(matches!(chosen("PLAIN", response), Choice::Unusable(_)), "{response:02x?}");
        }
        assert!(matches!(chosen("MSSBCBS", b""), Choice::Unusable(_)));
        assert!(matches!(chosen("EXTERNAL", b""), Choice::External));
        assert!(matches!(chosen("ANONYMOUS", b"x"), Choice::Anonymous));
    }

    #[test]
    fn an_empty_password_is_no_token() {
        let Choice::Plain(_, credentials) = chosen("PLAIN", b"\0s/registrations/d\0") else {
            panic!("not taken");
        };
        assert!(matches!(credentials, Credentials::None));
    }
}
