//! Messages in both directions, and the property bags in their topics.

use core::fmt;
use dps_core::sas::{HexCase, percent_encode};
use std::collections::BTreeMap;

/// The largest body of a message (`wire-protocol.md` section 8.1).
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// The properties of a message, both sides decoded. System properties have names that begin with
/// `$.`: `$.mid` is the message's id, `$.ct` the content type, `$.ce` its encoding. The value is
/// `None` for a name without `=`.
pub type Properties = BTreeMap<String, Option<String>>;

/// A message to the hub (telemetry) or from it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Its properties.
    pub properties: Properties,
    /// Its body.
    pub body: Vec<u8>,
}

impl Message {
    /// A message without properties.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { properties: Properties::new(), body: body.into() }
    }

    /// JSON text, said to be such.
    pub fn json(text: impl Into<String>) -> Self {
        Self::new(text.into().into_bytes())
            .property("$.ct", "application/json")
            .property("$.ce", "utf-8")
    }

    /// Adds a property.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(name.into(), Some(value.into()));
        self
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Body and properties may be confidential.
        f.debug_struct("Message")
            .field("properties", &self.properties.len())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// A bag as it stands in a topic.
pub(crate) fn write_bag(properties: &Properties) -> String {
    let encode = |text: &str| percent_encode(text, HexCase::Upper);
    let parameters = properties.iter().map(|(name, value)| match value {
        Some(value) => format!("{}={}", encode(name), encode(value)),
        None => encode(name),
    });
    parameters.collect::<Vec<_>>().join("&")
}

/// What a bag holds. A part that is wrongly encoded is taken as it stands: it is the sender's
/// affair, and no reason to lose the message.
pub(crate) fn read_bag(bag: &str) -> Properties {
    let parameters = bag.split('&').filter(|parameter| !parameter.is_empty());
    parameters
        .map(|parameter| match parameter.split_once('=') {
            Some((name, value)) => (decode(name), Some(decode(value))),
            None => (decode(parameter), None),
        })
        .collect()
}

/// Undoes the encoding; a text that is wrongly encoded is taken as it stands.
pub(crate) fn decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let high = digit();
                let low = digit();
                match high.zip(low).map(|(high, low)| u8::try_from(high * 16 + low)) {
                    Some(Ok(byte)) => byte,
                    _ => return text.to_owned(),
                }
            }
            byte => byte,
        };
        decoded.push(byte);
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bags_come_back_as_they_went() {
        let mut message = Message::json("{}").property("grün & rot", "50 %/=");
        message.properties.insert("flag".into(), None);
        let bag = write_bag(&message.properties);
        assert_eq!(
            bag,
            "%24.ce=utf-8&%24.ct=application%2Fjson&flag&gr%C3%BCn%20%26%20rot=50%20%25%2F%3D"
        );
        assert_eq!(read_bag(&bag), message.properties);
    }

    #[test]
    fn broken_escapes_are_taken_as_they_stand() {
        let properties = read_bag("a=%zz&b=%&&c=%ff&%24.mid=1");
        let value = |name: &str| properties[name].clone().unwrap();
        assert_eq!([value("a"), value("b"), value("c"), value("$.mid")], ["%zz", "%", "%ff", "1"]);
    }

    #[test]
    fn debug_shows_no_content() {
        let shown = format!("{:?}", Message::new("secret").property("name", "confidential"));
        assert!(!shown.contains("secret") && !shown.contains("confidential"), "{shown}");
    }
}
