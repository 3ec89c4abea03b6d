//! Topic names of requests and responses (`wire-protocol.md` sections 2.1 and 2.2).

use super::packet::Violation;
use core::fmt::Write as _;

const REGISTER: &str = "$dps/registrations/PUT/iotdps-register/?";
const POLL: &str = "$dps/registrations/GET/iotdps-get-operationstatus/?";
/// Clients use numbers and GUIDs. Longer ones would not fit the response's topic.
const MAX_REQUEST_ID_BYTES: usize = 512;

/// What a device asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    /// To be registered.
    Register,
    /// How its registration stands.
    Poll {
        /// What the reply to its register request named.
        operation_id: Option<&'a str>,
    },
}

/// The request id (empty when there is none) and the request of a topic.
pub(super) fn parse(topic: &str) -> Result<(&str, Request<'_>), Violation> {
    let unknown = || Violation::Topic(topic.chars().take(256).collect());
    // Wild cards and NUL may not be in the topic of a PUBLISH (MQTT 3.1.1, 3.3.2.1 and 1.5.3).
    if topic.contains(['+', '#', '\0']) {
        return Err(unknown());
    }
    let (query, is_register) = match (topic.strip_prefix(REGISTER), topic.strip_prefix(POLL)) {
        (Some(query), _) => (query, true),
        (_, Some(query)) => (query, false),
        _ => return Err(unknown()),
    };
    let request_id = parameter(query, "$rid").unwrap_or_default();
    if request_id.len() > MAX_REQUEST_ID_BYTES {
        return Err(unknown());
    }
    let request = match is_register {
        true => Request::Register,
        false => Request::Poll {
            operation_id: parameter(query, "operationId").filter(|id| !id.is_empty()),
        },
    };
    Ok((request_id, request))
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|parameter| parameter.split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

/// The topic of a response. `$rid` goes first, echoed as it came, and there is no other `$`:
/// the Python client splits there.
pub(super) fn response(status: u16, request_id: &str, retry_after: Option<u32>) -> String {
    let mut topic = format!("$dps/registrations/res/{status}/?$rid={request_id}");
    if let Some(seconds) = retry_after {
        // Writing to a String cannot fail.
        let _ = write!(topic, "&retry-after={seconds}");
    }
    topic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_real_clients() {
        assert_eq!(
            parse("$dps/registrations/PUT/iotdps-register/?$rid=1").unwrap(),
            ("1", Request::Register)
        );
        let poll =
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=e0c0&operationId=4.d0.x";
        let expected = ("e0c0", Request::Poll { operation_id: Some("4.d0.x") });
        assert_eq!(parse(poll).unwrap(), expected);
        let turned =
            "$dps/registrations/GET/iotdps-get-operationstatus/?operationId=4.d0.x&$rid=e0c0";
        assert_eq!(parse(turned).unwrap(), expected);
    }

    #[test]
    fn missing_parameters_are_noticed() {
        assert_eq!(parse("$dps/registrations/PUT/iotdps-register/?").unwrap().0, "");
        assert_eq!(
            parse("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=")
                .unwrap(),
            ("2", Request::Poll { operation_id: None })
        );
    }

    #[test]
    fn other_topics_are_refused() {
        let long = format!("$dps/registrations/PUT/iotdps-register/?$rid={}", "x".repeat(513));
        for topic in [
            "",
            "devices/x/messages/events/",
            "$dps/registrations/PUT/iotdps-register",
            "$dps/registrations/put/iotdps-register/?$rid=1",
            "$dps/registrations/PUT/iotdps-register/?$rid=#",
            "$dps/registrations/PUT/iotdps-register/?$rid=+",
            "$dps/registrations/PUT/iotdps-register/?$rid=\0",
            &long,
        ] {
            assert!(matches!(parse(topic), Err(Violation::Topic(_))), "{topic:?}");
        }
    }

    #[test]
    fn response_topics() {
        assert_eq!(response(202, "1", Some(3)), "$dps/registrations/res/202/?$rid=1&retry-after=3");
        assert_eq!(response(401, "a-b", None), "$dps/registrations/res/401/?$rid=a-b");
    }
}
