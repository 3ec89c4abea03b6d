//! Failures as result codes (`c-abi.md` sections 3.3 and 3.4, MQTT column).

use crate::abi::PROV_DEVICE_RESULT;
use crate::abi::PROV_DEVICE_RESULT::*;
use dps_client::{Error, ErrorKind};

/// The code that a program which was written for the original expects for this failure.
pub(crate) fn result_of(error: &Error) -> PROV_DEVICE_RESULT {
    match error.kind() {
        // Without a document that says why, the original takes the reply for a damaged one.
        ErrorKind::Service { .. } if error.service().is_none() => PROV_DEVICE_RESULT_TRANSPORT,
        ErrorKind::Service { .. }
        | ErrorKind::ConnectRejected { .. }
        | ErrorKind::SaslRejected { .. } => PROV_DEVICE_RESULT_DEV_AUTH_ERROR,
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
        ErrorKind::DeadlineExceeded { .. } => PROV_DEVICE_RESULT_TIMEOUT,
        // Name resolution, TCP, TLS, a lost or silent connection, a refused subscription, a reply
        // that is no JSON, a message that is too large, a key that cannot sign.
        _ => PROV_DEVICE_RESULT_TRANSPORT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use dps_client::{CertificateProblem, ServiceError, Stage};

    fn result(kind: ErrorKind) -> PROV_DEVICE_RESULT {
        result_of(&Error::new(Stage::Register, kind))
    }

    fn result_with_code(kind: ErrorKind, error_code: Option<u32>) -> PROV_DEVICE_RESULT {
        let service = ServiceError { error_code, ..Default::default() };
        result_of(&Error::new(Stage::Register, kind).with_service(service))
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

    #[test]
    fn time_and_form() {
        let limit = Duration::from_secs(1);
        let kind = ErrorKind::DeadlineExceeded { during: Stage::Connect, limit };
        assert_eq!(result(kind), PROV_DEVICE_RESULT_TIMEOUT);
        assert_eq!(result(ErrorKind::IncompleteReply), PROV_DEVICE_RESULT_PARSING);
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
}
