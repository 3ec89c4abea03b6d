//! Errors of the service: a description that is a JSON document says it all; otherwise the
//! condition must do (`wire-protocol.md` sections 4.1 and 4.4).

use crate::message;
use crate::performative::ERROR;
use crate::value::{self, Composite};
use core::time::Duration;
use dps_core::wire::ErrorDocument;
use dps_core::{Error, ErrorKind, Reply, Stage};
use serde_amqp::Value;

/// An AMQP error.
#[derive(Debug)]
pub(crate) struct PeerError {
    condition: String,
    description: Option<String>,
    retry_after: Option<Duration>,
}

impl PeerError {
    /// None when the field is null or no error.
    pub(crate) fn read(field: Value, unix_seconds: u64) -> Option<Self> {
        let mut error = Composite::from_value(field).filter(|error| error.code == ERROR)?;
        Some(Self {
            condition: value::text(error.take(0)).unwrap_or_default(),
            description: value::text(error.take(1)).filter(|text| !text.is_empty()),
            retry_after: message::retry_after(&error.take(2), unix_seconds),
        })
    }

    /// The refusal of a request, which always has a status.
    pub(crate) fn into_reply(self) -> Reply {
        let status = self.status().unwrap_or(400);
        self.with_status(status)
    }

    /// The end of a link, session or connection: a refusal if it says so, a fault of ours if it
    /// names one of the protocol's, otherwise just the end.
    pub(crate) fn into_reply_or_error(self, stage: Stage) -> Result<Reply, Error> {
        match self.status() {
            Some(status) => Ok(self.with_status(status)),
            None if self.is_fault() => Err(self.into_error(stage, ErrorKind::Protocol)),
            None => Err(self.into_loss(stage)),
        }
    }

    /// The end, which the next connection may not meet with.
    pub(crate) fn into_loss(self, stage: Stage) -> Error {
        self.into_error(stage, ErrorKind::ConnectionLost)
    }

    /// Whether a server that dislikes what is sent ahead could say this about it: a fault of the
    /// protocol's, or that something is not allowed, and no document of the service's.
    pub(crate) fn may_be_about_haste(&self) -> bool {
        let is_vague =
            matches!(self.condition.as_str(), "amqp:not-allowed" | "amqp:not-implemented");
        self.document_status().is_none() && (is_vague || self.is_fault())
    }

    fn into_error(self, stage: Stage, kind: ErrorKind) -> Error {
        Error::new(stage, kind).with_detail(format!("the service says {}", self.words()))
    }

    fn is_fault(&self) -> bool {
        matches!(
            self.condition.as_str(),
            "amqp:decode-error"
                | "amqp:illegal-state"
                | "amqp:frame-size-too-small"
                | "amqp:invalid-field"
                | "amqp:connection:framing-error"
                | "amqp:session:window-violation"
                | "amqp:session:errant-link"
                | "amqp:session:handle-in-use"
                | "amqp:session:unattached-handle"
                | "amqp:link:transfer-limit-exceeded"
        )
    }

    fn document_status(&self) -> Option<u16> {
        message::error_status(self.description.as_deref().unwrap_or_default().as_bytes())
    }

    fn status(&self) -> Option<u16> {
        self.document_status().or(match self.condition.as_str() {
            "amqp:unauthorized-access" => Some(401),
            "amqp:not-found" => Some(404),
            "amqp:not-allowed" | "amqp:not-implemented" | "amqp:precondition-failed" => Some(400),
            "amqp:link:message-size-exceeded" => Some(413),
            "amqp:resource-limit-exceeded" => Some(429),
            "amqp:internal-error" => Some(500),
            condition if condition.to_ascii_lowercase().contains("throttl") => Some(429),
            _ => None,
        })
    }

    fn with_status(self, status: u16) -> Reply {
        let retry_after = self.retry_after;
        let body = match &self.description {
            Some(json) if serde_json::from_str::<ErrorDocument>(json).is_ok() => {
                json.clone().into_bytes()
            }
            _ => {
                let document = ErrorDocument { message: Some(self.words()), ..Default::default() };
                serde_json::to_vec(&document).unwrap_or_default()
            }
        };
        Reply { status, retry_after, body }
    }

    fn words(&self) -> String {
        match &self.description {
            Some(description) => format!("{}: {description}", self.condition),
            None => self.condition.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{composite, map, string, symbol};

    fn error(condition: &str, description: Option<&str>, info: Value) -> PeerError {
        let description = description.map_or(Value::Null, string);
        let field = composite(ERROR, vec![symbol(condition), description, info]);
        PeerError::read(field, 0).unwrap()
    }

    #[test]
    fn the_document_gives_status_and_body_and_the_info_the_pause() {
        let json = r#"{"errorCode":429001,"trackingId":"t","message":"Too many requests."}"#;
        for key in [string("Retry-After"), symbol("retry-after")] {
            let info = map([(key, Value::Int(7))]);
            let reply = error("amqp:not-allowed", Some(json), info).into_reply();
            assert_eq!(reply.status, 429);
            assert_eq!(reply.retry_after, Some(Duration::from_secs(7)));
            assert_eq!(reply.body, json.as_bytes());
        }
    }

    #[test]
    fn without_a_document_the_condition_decides() {
        for (condition, status) in [
            ("amqp:unauthorized-access", 401),
            ("amqp:not-found", 404),
            ("amqp:internal-error", 500),
            ("com.microsoft:device-throttling", 429),
            ("com.microsoft:anything", 400),
        ] {
            let reply = error(condition, Some("why"), Value::Null).into_reply();
            assert_eq!(reply.status, status);
            let body = String::from_utf8(reply.body).unwrap();
            assert!(body.contains(condition) && body.contains("why"), "{body}");
        }
    }

    #[test]
    fn the_end_of_a_connection_is_a_refusal_a_loss_or_a_fault() {
        let end = |condition| {
            error(condition, None, Value::Null)
                .into_reply_or_error(Stage::Register)
                .map(|reply| reply.status)
                .map_err(|error| error.kind().clone())
        };
        assert_eq!(end("amqp:unauthorized-access"), Ok(401));
        assert_eq!(end("amqp:connection:forced"), Err(ErrorKind::ConnectionLost));
        assert_eq!(end("amqp:decode-error"), Err(ErrorKind::Protocol));
    }

    #[test]
    fn only_what_says_nothing_of_the_request_may_be_about_haste() {
        let json = r#"{"errorCode":400004,"message":"no"}"#;
        for (condition, description, expected) in [
            ("amqp:illegal-state", None, true),
            ("amqp:not-allowed", Some("not yet"), true),
            ("amqp:not-implemented", None, true),
            ("amqp:not-allowed", Some(json), false),
            ("amqp:illegal-state", Some(json), false),
            ("amqp:unauthorized-access", None, false),
            ("amqp:resource-limit-exceeded", None, false),
            ("amqp:connection:forced", None, false),
        ] {
            let error = error(condition, description, Value::Null);
            assert_eq!(error.may_be_about_haste(), expected, "{condition} {description:?}");
        }
    }

    #[test]
    fn what_is_no_error_is_none() {
        assert!(PeerError::read(Value::Null, 0).is_none());
        assert!(PeerError::read(composite(0x24, Vec::new()), 0).is_none());
    }
}
