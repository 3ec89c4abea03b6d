//! Topic names (`wire-protocol.md` section 8.1).

use crate::message::{Properties, decode, read_bag, write_bag};
use dps_core::sas::{HexCase, percent_encode};
use std::borrow::Cow;

/// The most bytes of a topic: MQTT gives its length in two bytes.
pub(crate) const MAX_BYTES: usize = u16::MAX as usize;
/// Answers about the twin.
pub(crate) const TWIN_RESPONSES: &str = "$iothub/twin/res/#";
/// New desired properties.
pub(crate) const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";

/// The id in a topic. Most clients write it as it stands, which no id with a wild card or an
/// escape of its own bears.
fn written(device_id: &str) -> Cow<'_, str> {
    match device_id.contains(['+', '#', '%']) {
        true => percent_encode(device_id, HexCase::Upper).into(),
        false => device_id.into(),
    }
}

/// Messages for the device.
pub(crate) fn messages(device_id: &str) -> String {
    let device_id = written(device_id);
    format!("devices/{device_id}/messages/devicebound/#")
}

/// The trailing slash before the bag is significant.
pub(crate) fn telemetry(device_id: &str, properties: &Properties) -> String {
    let device_id = written(device_id);
    format!("devices/{device_id}/messages/events/{}", write_bag(properties))
}

pub(crate) fn get_twin(rid: u32) -> String {
    format!("$iothub/twin/GET/?$rid={rid}")
}

pub(crate) fn report(rid: u32) -> String {
    format!("$iothub/twin/PATCH/properties/reported/?$rid={rid}")
}

/// What the hub publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Twin { status: u16, rid: Option<u32>, version: Option<u64> },
    Desired { version: Option<u64> },
    Message(Properties),
}

/// `None` for topics that are none of ours.
pub(crate) fn parse(device_id: &str, topic: &str) -> Option<Incoming> {
    if let Some(rest) = topic.strip_prefix("$iothub/twin/res/") {
        let (status, query) = rest.split_once("/?")?;
        return Some(Incoming::Twin {
            status: status.parse().ok()?,
            rid: number(query, "$rid").and_then(|rid| u32::try_from(rid).ok()),
            version: number(query, "$version"),
        });
    }
    if let Some(query) = topic.strip_prefix("$iothub/twin/PATCH/properties/desired/?") {
        return Some(Incoming::Desired { version: number(query, "$version") });
    }
    let (id, rest) = topic.strip_prefix("devices/")?.split_once('/')?;
    let bag = rest.strip_prefix("messages/devicebound/")?;
    (id == device_id || decode(id) == device_id).then(|| Incoming::Message(read_bag(bag)))
}

fn number(query: &str, name: &str) -> Option<u64> {
    let mut parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    parameters.find(|(found, _)| *found == name)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_encoded_where_they_must() {
        assert_eq!(messages("d:1$"), "devices/d:1$/messages/devicebound/#");
        assert_eq!(messages("a+b:"), "devices/a%2Bb%3A/messages/devicebound/#");
        assert_eq!(telemetry("a%2F#", &Properties::new()), "devices/a%252F%23/messages/events/");
    }

    #[test]
    fn topics_of_a_hub() {
        let twin = |status, rid, version| Some(Incoming::Twin { status, rid, version });
        assert_eq!(parse("d", "$iothub/twin/res/200/?$rid=1"), twin(200, Some(1), None));
        assert_eq!(
            parse("d", "$iothub/twin/res/204/?$rid=7&$version=3"),
            twin(204, Some(7), Some(3))
        );
        assert_eq!(parse("d", "$iothub/twin/res/429/?$rid=e0c0"), twin(429, None, None));
        assert_eq!(
            parse("d", "$iothub/twin/PATCH/properties/desired/?$version=4"),
            Some(Incoming::Desired { version: Some(4) })
        );
        let bag = Properties::from([("$.mid".to_owned(), Some("1".to_owned()))]);
        assert_eq!(
            parse("d:1", "devices/d:1/messages/devicebound/%24.mid=1"),
            Some(Incoming::Message(bag))
        );
        for id in ["a+b", "a%2Bb"] {
            let topic = format!("devices/{id}/messages/devicebound/");
            assert_eq!(parse("a+b", &topic), Some(Incoming::Message(Properties::new())));
        }
        assert_eq!(parse("a%2Bb", "devices/a+b/messages/devicebound/"), None);
        for other in ["", "devices/e/messages/devicebound/", "devices/d", "$iothub/methods/POST/x"]
        {
            assert_eq!(parse("d", other), None, "{other}");
        }
    }
}
