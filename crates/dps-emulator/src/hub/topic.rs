//! A hub's topics (`wire-protocol.md` section 8.1).

use super::percent;
use super::properties::{self, Properties};
use super::subscriptions::Feed;

const TWIN_GET: &str = "$iothub/twin/GET/?";
const TWIN_REPORT: &str = "$iothub/twin/PATCH/properties/reported/?";
const METHOD_REPLY: &str = "$iothub/methods/res/";
/// Clients use numbers and GUIDs.
const MAX_REQUEST_ID_BYTES: usize = 512;

/// What a device publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Upward<'a> {
    /// A message for the cloud.
    Telemetry(Properties),
    /// It wants its twin.
    GetTwin { request_id: &'a str },
    /// It reports properties.
    Report { request_id: &'a str },
    /// The answer to a direct method.
    MethodReply { status: i32, request_id: &'a str },
}

/// The filter of a subscription of `device`.
pub(super) fn feed(device: &str, filter: &str) -> Option<Feed> {
    match filter {
        "$iothub/twin/res/#" => Some(Feed::TwinResponses),
        "$iothub/twin/PATCH/properties/desired/#" => Some(Feed::Desired),
        "$iothub/methods/POST/#" => Some(Feed::Methods),
        _ => {
            let rest = of_device(device, filter)?;
            (rest == "messages/devicebound/#").then_some(Feed::Messages)
        }
    }
}

/// What stands behind `devices/{device}/`; some clients encode the id, some do not.
fn of_device<'a>(device: &str, topic: &'a str) -> Option<&'a str> {
    let (id, rest) = topic.strip_prefix("devices/")?.split_once('/')?;
    (id == device || percent::decode(id).as_deref() == Some(device)).then_some(rest)
}

/// `None` for a topic that a device may not publish to.
pub(super) fn upward<'a>(device: &str, topic: &'a str) -> Option<Upward<'a>> {
    // Wild cards and NUL may not be in the topic of a PUBLISH (MQTT 3.1.1, 3.3.2.1 and 1.5.3).
    if topic.contains(['+', '#', '\0']) {
        return None;
    }
    if let Some(query) = topic.strip_prefix(TWIN_GET) {
        return Some(Upward::GetTwin { request_id: request_id(query)? });
    }
    if let Some(query) = topic.strip_prefix(TWIN_REPORT) {
        return Some(Upward::Report { request_id: request_id(query)? });
    }
    if let Some(rest) = topic.strip_prefix(METHOD_REPLY) {
        let (status, query) = rest.split_once("/?")?;
        return Some(Upward::MethodReply {
            status: status.parse().ok()?,
            request_id: request_id(query)?,
        });
    }
    let rest = of_device(device, topic)?.strip_prefix("messages/events")?;
    let bag = if rest.is_empty() { "" } else { rest.strip_prefix('/')? };
    properties::read(bag).map(Upward::Telemetry)
}

fn request_id(query: &str) -> Option<&str> {
    let mut parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    let id = parameters.find_map(|(name, value)| (name == "$rid").then_some(value))?;
    (!id.is_empty() && id.len() <= MAX_REQUEST_ID_BYTES).then_some(id)
}

/// The answer about a twin.
pub(super) fn twin_response(status: u16, request_id: &str, version: Option<u64>) -> String {
    let version = version.map(|version| format!("&$version={version}")).unwrap_or_default();
    format!("$iothub/twin/res/{status}/?$rid={request_id}{version}")
}

/// New desired properties.
pub(super) fn desired(version: u64) -> String {
    format!("$iothub/twin/PATCH/properties/desired/?$version={version}")
}

/// A method for the device.
pub(super) fn method(name: &str, request_id: u64) -> String {
    format!("$iothub/methods/POST/{}/?$rid={request_id:x}", percent::encode(name))
}

/// What stands before the bag in the topics of messages for `device`, which has asked for them by
/// `filter`: the same, but for an id with wild cards that it did not encode, since a topic may have
/// none.
pub(super) fn message_topic(device: &str, filter: &str) -> String {
    let topic = filter.strip_suffix('#').unwrap_or(filter);
    match topic.contains(['+', '#']) {
        true => format!("devices/{}/messages/devicebound/", percent::encode(device)),
        false => topic.to_owned(),
    }
}

/// The topic of a message for the device.
pub(super) fn message(message_topic: &str, properties: &Properties) -> String {
    format!("{message_topic}{}", properties::write(properties))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_real_clients() {
        let telemetry = |bag: &str| Some(Upward::Telemetry(properties::read(bag).unwrap()));
        assert_eq!(upward("d:1", "devices/d%3A1/messages/events/"), telemetry(""));
        assert_eq!(upward("d:1", "devices/d:1/messages/events/a=b"), telemetry("a=b"));
        assert_eq!(upward("d", "devices/d/messages/events"), telemetry(""));
        assert_eq!(
            upward("d", "$iothub/twin/GET/?$rid=e0c0-1"),
            Some(Upward::GetTwin { request_id: "e0c0-1" })
        );
        assert_eq!(
            upward("d", "$iothub/twin/PATCH/properties/reported/?$rid=7&$version=3"),
            Some(Upward::Report { request_id: "7" })
        );
        assert_eq!(
            upward("d", "$iothub/methods/res/-200/?$rid=1f"),
            Some(Upward::MethodReply { status: -200, request_id: "1f" })
        );
    }

    #[test]
    fn topics_that_no_device_may_publish_to() {
        for topic in [
            "",
            "devices/other/messages/events/",
            "devices/d/messages/eventsx",
            "devices/d/messages/events/%zz",
            "devices/d/messages/devicebound/",
            "devices/d/messages/events/#",
            "$iothub/twin/GET/?",
            "$iothub/twin/GET/?$rid=",
            "$iothub/twin/PATCH/properties/desired/?$rid=1",
            "$iothub/methods/res/x/?$rid=1",
            "$dps/registrations/PUT/iotdps-register/?$rid=1",
        ] {
            assert_eq!(upward("d", topic), None, "{topic}");
        }
    }

    #[test]
    fn messages_come_in_the_way_in_which_the_device_writes_its_id() {
        for (device, written, back) in [
            ("d:1", "d:1", "d:1"),
            ("d:1", "d%3a1", "d%3a1"),
            ("a%2Fb", "a%2Fb", "a%2Fb"),
            ("a%2Fb", "a%252Fb", "a%252Fb"),
            ("a+b#", "a+b#", "a%2Bb%23"),
        ] {
            let filter = format!("devices/{written}/messages/devicebound/#");
            assert_eq!(feed(device, &filter), Some(Feed::Messages));
            let expected = format!("devices/{back}/messages/devicebound/");
            assert_eq!(message_topic(device, &filter), expected);
        }
    }

    #[test]
    fn filters() {
        assert_eq!(feed("d", "devices/d/messages/devicebound/#"), Some(Feed::Messages));
        for filter in ["#", "devices/d/messages/#", "devices/e/messages/devicebound/#", "$iothub/#"]
        {
            assert_eq!(feed("d", filter), None, "{filter}");
        }
    }
}
