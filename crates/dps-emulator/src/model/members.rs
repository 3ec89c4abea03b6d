//! Members of JSON documents that nobody here knows. What the real service does with them is not
//! known (`wire-protocol.md` section 7 is silent); its clients of other versions send some, so they
//! are passed over. But a misspelt member that silently does nothing costs hours: the log names
//! each.

use crate::config::{Capabilities, CustomAllocationDefinition, InitialTwin, ReprovisionPolicy};
use core::fmt;
use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Which members a document has.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Anything.
    Any,
    /// An object with these.
    Object(&'static [(&'static str, Shape)]),
    /// A list of such.
    Each(&'static Shape),
}

use Shape::{Any, Each, Object};

const CERTIFICATE: Shape = Object(&[("certificate", Any), ("info", Any)]);
const CERTIFICATES: Shape = Object(&[("primary", CERTIFICATE), ("secondary", CERTIFICATE)]);
const ATTESTATION: Shape = Object(&[
    ("type", Any),
    ("symmetricKey", Object(&[("primaryKey", Any), ("secondaryKey", Any)])),
    ("tpm", Object(&[("endorsementKey", Any), ("storageRootKey", Any)])),
    (
        "x509",
        Object(&[
            ("clientCertificates", CERTIFICATES),
            ("signingCertificates", CERTIFICATES),
            ("caReferences", Any),
        ]),
    ),
]);
const INITIAL_TWIN: Shape = Object(&[("tags", Any), ("properties", Object(&[("desired", Any)]))]);
const CAPABILITIES: Shape = Object(&[("iotEdge", Any)]);
const REPROVISION_POLICY: Shape =
    Object(&[("updateHubAssignment", Any), ("migrateDeviceData", Any)]);
const CUSTOM_ALLOCATION: Shape = Object(&[("webhookUrl", Any), ("apiVersion", Any)]);

/// An enrollment of either kind (section 7.3), with what the service itself writes.
pub(crate) const ENROLLMENT: Shape = Object(&[
    ("registrationId", Any),
    ("enrollmentGroupId", Any),
    ("deviceId", Any),
    ("registrationState", Any),
    ("optionalDeviceInformation", Any),
    ("attestation", ATTESTATION),
    ("capabilities", CAPABILITIES),
    ("iotHubHostName", Any),
    ("initialTwin", INITIAL_TWIN),
    ("etag", Any),
    ("provisioningStatus", Any),
    ("reprovisionPolicy", REPROVISION_POLICY),
    ("createdDateTimeUtc", Any),
    ("lastUpdatedDateTimeUtc", Any),
    ("allocationPolicy", Any),
    ("iotHubs", Any),
    ("customAllocationDefinition", CUSTOM_ALLOCATION),
]);
/// Several of them (section 7.2).
pub(crate) const BULK: Shape = Object(&[
    ("mode", Any),
    ("enrollments", Each(&ENROLLMENT)),
    ("enrollmentGroups", Each(&ENROLLMENT)),
]);
/// What a webhook answers (section 7.5).
pub(crate) const WEBHOOK_ANSWER: Shape =
    Object(&[("iotHubHostName", Any), ("initialTwin", INITIAL_TWIN), ("payload", Any)]);

/// The most that are named, and the most of each.
const MOST_NAMED: usize = 8;
const MOST_CHARACTERS: usize = 100;

/// Names in the log what a document has that its shape has not.
pub(crate) fn warn_of_unknown(what: &str, json: &[u8], shape: &Shape) {
    let found = unknown(json, shape);
    if !found.is_empty() {
        tracing::warn!(members = %found.join(", "),
            "{what} has members that are not known; they change nothing");
    }
}

/// What a document has that its shape has not: the first few, by their paths.
pub(crate) fn unknown(json: &[u8], shape: &Shape) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(names) = serde_json::from_slice::<Names>(json) {
        names.compare(shape, "", &mut found);
    }
    found
}

/// The members of a document, and none of their values, which may be keys.
enum Names {
    Object(Vec<(String, Names)>),
    List(Vec<Names>),
    Other,
}

impl Names {
    fn compare(&self, shape: &Shape, path: &str, found: &mut Vec<String>) {
        match (self, shape) {
            (Self::Object(members), Object(known)) => {
                for (name, value) in members {
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    match known.iter().find(|(known, _)| known == name) {
                        Some((_, shape)) => value.compare(shape, &path, found),
                        None if found.len() < MOST_NAMED => {
                            found.push(path.escape_debug().take(MOST_CHARACTERS).collect());
                        }
                        None => {}
                    }
                }
            }
            (Self::List(items), Each(shape)) => {
                items.iter().for_each(|item| item.compare(shape, path, found));
            }
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Names::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Names, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Names::List(items))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Names, E> {
        Ok(Names::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Names, E> {
        Ok(Names::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Names, E> {
        Ok(Names::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Names, E> {
        Ok(Names::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Names, E> {
        Ok(Names::Other)
    }

    fn visit_unit<E>(self) -> Result<Names, E> {
        Ok(Names::Other)
    }
}

/// A part of a document whose type is strict, because a configuration's typing errors are found by
/// it.
pub(crate) trait Part: DeserializeOwned {
    const SHAPE: Shape;
}

impl Part for Capabilities {
    const SHAPE: Shape = CAPABILITIES;
}

impl Part for ReprovisionPolicy {
    const SHAPE: Shape = REPROVISION_POLICY;
}

impl Part for CustomAllocationDefinition {
    const SHAPE: Shape = CUSTOM_ALLOCATION;
}

impl Part for InitialTwin {
    const SHAPE: Shape = INITIAL_TWIN;
}

/// Reads such a part without the members that it has not.
pub(crate) fn lenient<'de, D, T>(input: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Part,
{
    let Some(mut value) = Option::<Value>::deserialize(input)? else { return Ok(None) };
    strip(&mut value, &T::SHAPE);
    serde_json::from_value(value).map(Some).map_err(serde::de::Error::custom)
}

fn strip(value: &mut Value, shape: &Shape) {
    let (Value::Object(members), Object(known)) = (value, shape) else { return };
    members.retain(|name, value| match known.iter().find(|(known, _)| known == name) {
        Some((_, shape)) => {
            strip(value, shape);
            true
        }
        None => false,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_that_nobody_knows_is_named_by_its_path_and_no_value_is() {
        let json = br#"{"registrationId":"a","Etag":"s3cret","attestation":{"type":"symmetricKey",
            "symmetricKey":{"primarykey":"s3cret"}},"initialTwin":{"tags":{"any":1},"version":2,
            "properties":{"desired":{"x":{}},"reported":{}}},"iotHubs":["a"],"":null}"#;
        assert_eq!(
            unknown(json, &ENROLLMENT),
            [
                "Etag",
                "attestation.symmetricKey.primarykey",
                "initialTwin.version",
                "initialTwin.properties.reported",
                ""
            ]
        );
        let bulk = br#"{"mode":"create","enrollments":[{"x":1},{"registrationId":1.5,"y":-1}]}"#;
        assert_eq!(unknown(bulk, &BULK), ["enrollments.x", "enrollments.y"]);
        assert_eq!(unknown(br#"{"iotHubHostname":true}"#, &WEBHOOK_ANSWER), ["iotHubHostname"]);
    }

    #[test]
    fn the_log_gets_a_few_short_names_whatever_was_sent() {
        let long = format!(r#"{{"{}":1,"a\n\u0007":2}}"#, "x".repeat(5000));
        let found = unknown(long.as_bytes(), &ENROLLMENT);
        assert_eq!((found[0].len(), found[1].as_str()), (MOST_CHARACTERS, r"a\n\u{7}"));
        let many: Vec<String> = (0..100).map(|number| format!(r#""n{number}":0"#)).collect();
        let many = format!("{{{}}}", many.join(","));
        assert_eq!(unknown(many.as_bytes(), &ENROLLMENT).len(), MOST_NAMED);
        for json in ["[1]", "null", "{", "7"] {
            assert!(unknown(json.as_bytes(), &ENROLLMENT).is_empty());
        }
    }
}
