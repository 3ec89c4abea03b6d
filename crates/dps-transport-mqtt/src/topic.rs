//! The topics of `wire-protocol.md` section 2.1.

use core::time::Duration;
use dps_core::parse_retry_after;

/// The one filter a device may subscribe to.
pub(crate) const RESPONSE_FILTER: &str = "$dps/registrations/res/#";

const RESPONSE_PREFIX: &str = "$dps/registrations/res/";

pub(crate) fn register(rid: u32) -> String {
    format!("$dps/registrations/PUT/iotdps-register/?$rid={rid}")
}

pub(crate) fn poll(rid: u32, operation_id: &str) -> String {
    format!(
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid={rid}&operationId={operation_id}"
    )
}

/// What a response's topic says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResponseTopic<'a> {
    pub(crate) status: u16,
    pub(crate) rid: Option<&'a str>,
    pub(crate) retry_after: Option<Duration>,
}

impl<'a> ResponseTopic<'a> {
    /// `None` for a topic that is not a response.
    pub(crate) fn parse(topic: &'a str, unix_seconds: u64) -> Option<Self> {
        let (status, query) = topic.strip_prefix(RESPONSE_PREFIX)?.split_once("/?")?;
        if status.is_empty() || !status.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut response = Self { status: status.parse().ok()?, rid: None, retry_after: None };
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("$rid", rid)) => response.rid = Some(rid),
                Some((name, value)) if name.eq_ignore_ascii_case("retry-after") => {
                    response.retry_after = parse_retry_after(value, unix_seconds);
                }
                _ => {}
            }
        }
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_documented_topics() {
        let parse = |topic| ResponseTopic::parse(topic, 0);
        assert_eq!(
            parse("$dps/registrations/res/202/?$rid=1&retry-after=3"),
            Some(ResponseTopic {
                status: 202,
                rid: Some("1"),
                retry_after: Some(Duration::from_secs(3))
            })
        );
        assert_eq!(
            parse("$dps/registrations/res/401/?$rid=abc-def"),
            Some(ResponseTopic { status: 401, rid: Some("abc-def"), retry_after: None })
        );
        assert_eq!(
            parse("$dps/registrations/res/202/?retry-after=900&x&$rid=7").unwrap(),
            ResponseTopic {
                status: 202,
                rid: Some("7"),
                retry_after: Some(Duration::from_secs(300))
            }
        );
    }

    #[test]
    fn other_topics_are_not_responses() {
        for topic in [
            "",
            "$dps/registrations/res/",
            "$dps/registrations/res/202",
            "$dps/registrations/res//?$rid=1",
            "$dps/registrations/res/+20/?$rid=1",
            "$dps/registrations/res/99999/?$rid=1",
            "$iothub/twin/res/200/?$rid=1",
        ] {
            assert_eq!(ResponseTopic::parse(topic, 0), None, "{topic}");
        }
    }
}
