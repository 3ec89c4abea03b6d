//! Failures as result codes (`c-abi.md` sections 3.3 and 3.4). For some answers of the service the
//! original gives other codes over HTTP and AMQP, and programs may depend on that.

use crate::abi::PROV_DEVICE_RESULT;
use crate::abi::PROV_DEVICE_RESULT::*;
use dps_client::{Error, ErrorKind, Stage, Transport};

/// Which code a failure has for one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Codes {
    /// The transport that the program has chosen.
    pub(crate) transport: Transport,
    /// Opt-in: a key or certificate that cannot be used has a code of its own.
    pub(crate) key_errors: bool,
    /// Opt-in: the same answer has the same code over every transport.
    pub(crate) uniform: bool,
}

impl Codes {
    /// Those that a program which was written for the original expects.
    pub(crate) const fn originals(transport: Transport) -> Self {
        Self { transport, key_errors: false, uniform: false }
    }

    /// The code of what a registration ended with.
    pub(crate) fn of(self, error: &Error) -> PROV_DEVICE_RESULT {
        match error.kind() {
            // Without a document that says why, the original takes the reply for a damaged one.
            ErrorKind::Service { .. } if error.service().is_none() => PROV_DEVICE_RESULT_TRANSPORT,
            ErrorKind::Service { status }
                if !self.uniform && self.transport == Transport::Http && *status != 401 =>
            {
                PROV_DEVICE_RESULT_TRANSPORT
            }
            ErrorKind::Service { .. } => self.refused_credentials(),
            ErrorKind::ConnectRejected { .. } => PROV_DEVICE_RESULT_DEV_AUTH_ERROR,
            // The same refusal as MQTT's at CONNECT, unless the service could not judge.
            ErrorKind::SaslRejected { .. } if self.uniform && !error.is_transient() => {
                PROV_DEVICE_RESULT_DEV_AUTH_ERROR
            }
            ErrorKind::RegistrationFailed => {
                match error.service().and_then(|service| service.error_code) {
                    Some(400_208) => PROV_DEVICE_RESULT_HUB_NOT_SPECIFIED,
                    Some(400_209) => PROV_DEVICE_RESULT_UNAUTHORIZED,
                    _ => PROV_DEVICE_RESULT_DEV_AUTH_ERROR,
                }
            }
            ErrorKind::Disabled => PROV_DEVICE_RESULT_DISABLED,
            ErrorKind::Blacklisted => PROV_DEVICE_RESULT_ERROR,
            ErrorKind::IncompleteReply => PROV_DEVICE_RESULT_PARSING,
            ErrorKind::HubKey => PROV_DEVICE_RESULT_KEY_ERROR,
            ErrorKind::MalformedHubKey => PROV_DEVICE_RESULT_MEMORY,
            ErrorKind::DeadlineExceeded { .. } => PROV_DEVICE_RESULT_TIMEOUT,
            _ if error.stage() == Stage::Hsm => self.unusable_key(),
            // Name resolution, TCP, TLS, a lost or silent connection, a refused subscription, a
            // reply that is no JSON, a message that is too large, a challenge that the TPM cannot answer,
            // a refusal by a proxy or by SASL.
            _ => PROV_DEVICE_RESULT_TRANSPORT,
        }
    }

    /// The code of a refusal for what the device is or has: key, certificate, id.
    pub(crate) fn refused_credentials(self) -> PROV_DEVICE_RESULT {
        match self.transport {
            // The service refuses by SASL, or rejects the request's delivery, and the original does
            // not ask why.
            Transport::Amqp | Transport::AmqpWs if !self.uniform => PROV_DEVICE_RESULT_TRANSPORT,
            _ => PROV_DEVICE_RESULT_DEV_AUTH_ERROR,
        }
    }

    /// The code of a key or certificate that cannot be used. The original reports a connection that
    /// could not be opened.
    pub(crate) fn unusable_key(self) -> PROV_DEVICE_RESULT {
        match self.key_errors {
            true => PROV_DEVICE_RESULT_KEY_ERROR,
            false => PROV_DEVICE_RESULT_TRANSPORT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use dps_client::{CertificateProblem, ServiceError};

    fn result(kind: ErrorKind) -> PROV_DEVICE_RESULT {
        Codes::originals(Transport::Mqtt).of(&Error::new(Stage::Register, kind))
    }

    fn result_with_code(kind: ErrorKind, error_code: Option<u32>) -> PROV_DEVICE_RESULT {
        result_over(Transport::Mqtt, kind, error_code)
    }

    fn result_over(
        transport: Transport,
        kind: ErrorKind,
        error_code: Option<u32>,
    ) -> PROV_DEVICE_RESULT {
        let service = ServiceError { error_code, ..Default::default() };
        Codes::originals(transport).of(&Error::new(Stage::Register, kind).with_service(service))
    }

    #[test]
    fn a_refusal_has_another_code_over_http_and_amqp() {
        let http = |status| {
            let code = u32::from(status) * 1000;
            result_over(Transport::Http, ErrorKind::Service { status }, Some(code))
        };
        assert_eq!(http(401), PROV_DEVICE_RESULT_DEV_AUTH_ERROR);
        for status in [400, 403, 404, 409] {
            assert_eq!(http(status), PROV_DEVICE_RESULT_TRANSPORT, "{status}");
        }
        for transport in [Transport::Amqp, Transport::AmqpWs] {
            let kind = ErrorKind::Service { status: 401 };
            let rejected = result_over(transport, kind, Some(401_002));
            assert_eq!(rejected, PROV_DEVICE_RESULT_TRANSPORT);
        }
        let unexplained = Error::new(Stage::Register, ErrorKind::Service { status: 401 });
        assert_eq!(
            Codes::originals(Transport::Http).of(&unexplained),
            PROV_DEVICE_RESULT_TRANSPORT
        );
    }

    #[test]
    fn a_refusal_counts_as_such_only_with_its_document() {
        for status in [400, 401, 404] {
            let kind = ErrorKind::Service { status };
            assert_eq!(result(kind.clone()), PROV_DEVICE_RESULT_TRANSPORT);
            let code = Some(u32::from(status) * 1000 + 2);
            assert_eq!(result_with_code(kind, code), PROV_DEVICE_RESULT_DEV_AUTH_ERROR);
        }
    }

    #[test]
    fn every_refused_connect_is_an_authentication_error() {
        for code in 1..=6 {
            let kind = ErrorKind::ConnectRejected { code };
            assert_eq!(result(kind), PROV_DEVICE_RESULT_DEV_AUTH_ERROR);
        }
    }

    #[test]
    fn the_services_no_has_shades() {
        let failed = ErrorKind::RegistrationFailed;
        for (code, expected) in [
            (Some(400_208), PROV_DEVICE_RESULT_HUB_NOT_SPECIFIED),
            (Some(400_209), PROV_DEVICE_RESULT_UNAUTHORIZED),
            (Some(400_207), PROV_DEVICE_RESULT_DEV_AUTH_ERROR),
            (None, PROV_DEVICE_RESULT_DEV_AUTH_ERROR),
        ] {
            assert_eq!(result_with_code(failed.clone(), code), expected, "{code:?}");
        }
        assert_eq!(result(failed), PROV_DEVICE_RESULT_DEV_AUTH_ERROR);
        assert_eq!(result(ErrorKind::Disabled), PROV_DEVICE_RESULT_DISABLED);
        assert_eq!(result(ErrorKind::Blacklisted), PROV_DEVICE_RESULT_ERROR);
    }

    /// `c-abi.md` sections 1.1 and 3.4.
    #[test]
    fn a_hub_key_that_a_tpm_cannot_take_has_codes_of_its_own() {
        assert_eq!(result(ErrorKind::HubKey), PROV_DEVICE_RESULT_KEY_ERROR);
        assert_eq!(result(ErrorKind::MalformedHubKey), PROV_DEVICE_RESULT_MEMORY);
    }

    #[test]
    fn time_and_form() {
        let limit = Duration::from_secs(1);
        let kind = ErrorKind::DeadlineExceeded { during: Stage::Connect, limit };
        assert_eq!(result(kind), PROV_DEVICE_RESULT_TIMEOUT);
        assert_eq!(result(ErrorKind::IncompleteReply), PROV_DEVICE_RESULT_PARSING);
    }

    /// `c-abi.md` section 3.4: its own code is for the key of the hub only.
    #[test]
    fn a_challenge_that_the_tpm_cannot_answer_is_transport() {
        let nonce = Error::new(Stage::Hsm, ErrorKind::Hsm);
        for transport in [Transport::Http, Transport::Amqp, Transport::AmqpWs] {
            assert_eq!(Codes::originals(transport).of(&nonce), PROV_DEVICE_RESULT_TRANSPORT);
        }
    }

    #[test]
    fn everything_on_the_way_is_transport() {
        for kind in [
            ErrorKind::NameResolution,
            ErrorKind::ConnectionRefused,
            ErrorKind::ConnectFailed,
            ErrorKind::ConnectionLost,
            ErrorKind::Silent { after: Duration::from_secs(60) },
            ErrorKind::ServerCertificate(CertificateProblem::UnknownIssuer),
            ErrorKind::Tls,
            ErrorKind::SubscribeRejected,
            ErrorKind::SaslRejected { code: 1 },
            ErrorKind::ProxyRejected { status: 407 },
            ErrorKind::WebSocketRejected { status: 404 },
            ErrorKind::ClientCertificate,
            ErrorKind::Protocol,
            ErrorKind::MalformedReply,
            ErrorKind::TooLarge { limit: 1 },
            ErrorKind::Unavailable { status: 503 },
            ErrorKind::InvalidConfig,
            ErrorKind::Hsm,
        ] {
            assert_eq!(result(kind.clone()), PROV_DEVICE_RESULT_TRANSPORT, "{kind:?}");
        }
    }

    const TRANSPORTS: [Transport; 5] =
        [Transport::Mqtt, Transport::MqttWs, Transport::Http, Transport::Amqp, Transport::AmqpWs];

    #[test]
    fn uniform_codes_do_not_depend_on_the_transport() {
        for transport in TRANSPORTS {
            let codes = Codes { uniform: true, ..Codes::originals(transport) };
            for status in [400, 401, 403, 404, 409] {
                let service = ServiceError { status, ..ServiceError::default() };
                let kind = ErrorKind::Service { status };
                let refused = Error::new(Stage::Register, kind).with_service(service);
                assert_eq!(codes.of(&refused), PROV_DEVICE_RESULT_DEV_AUTH_ERROR, "{refused}");
            }
            assert_eq!(codes.refused_credentials(), PROV_DEVICE_RESULT_DEV_AUTH_ERROR);
            for (code, expected) in
                [(1, PROV_DEVICE_RESULT_DEV_AUTH_ERROR), (4, PROV_DEVICE_RESULT_TRANSPORT)]
            {
                let error = Error::new(Stage::Authenticate, ErrorKind::SaslRejected { code });
                assert_eq!(codes.of(&error), expected, "{code}");
            }
        }
    }

    #[test]
    fn an_unusable_key_has_its_own_code_on_demand() {
        for transport in TRANSPORTS {
            let codes = Codes::originals(transport);
            let error = Error::new(Stage::Hsm, ErrorKind::Hsm);
            assert_eq!(codes.of(&error), PROV_DEVICE_RESULT_TRANSPORT);
            let codes = Codes { key_errors: true, ..codes };
            assert_eq!(codes.of(&error), PROV_DEVICE_RESULT_KEY_ERROR);
            let lost = Error::new(Stage::Register, ErrorKind::ConnectionLost);
            assert_eq!(codes.of(&lost), PROV_DEVICE_RESULT_TRANSPORT);
        }
    }
}
