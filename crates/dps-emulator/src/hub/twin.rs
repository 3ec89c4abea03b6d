//! Device twins (`wire-protocol.md` sections 8.1, and 7.5 for the initial one).

use serde_json::{Map, Value, json};

/// The most that the desired and the reported properties may have each, as JSON text.
const MAX_PROPERTIES_BYTES: usize = 32 * 1024;
/// How deep properties may be nested.
const MAX_DEPTH: usize = 10;

/// What the hub and the device tell each other about the device's state.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Twin {
    /// For the operator; the device does not see them.
    pub tags: Map<String, Value>,
    /// What the device is to be like.
    pub desired: Map<String, Value>,
    /// Goes up by one with each change, from 1.
    pub desired_version: u64,
    /// What the device says it is like.
    pub reported: Map<String, Value>,
    /// Likewise.
    pub reported_version: u64,
}

impl Default for Twin {
    fn default() -> Self {
        Self {
            tags: Map::new(),
            desired: Map::new(),
            desired_version: 1,
            reported: Map::new(),
            reported_version: 1,
        }
    }
}

/// Why a patch changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatchError {
    #[error("a patch must be a JSON object")]
    NoObject,
    #[error("the properties would have more than 32 KB")]
    TooLarge,
    #[error("the properties would be nested more than 10 deep")]
    TooDeep,
}

impl Twin {
    /// The twin of a new device: `{"tags":{...},"properties":{"desired":{...}}}`, of which any
    /// part may be missing.
    pub(crate) fn initial(document: Option<&Value>) -> Self {
        let member = |value: Option<&Value>, name: &str| value.and_then(|v| v.get(name)).cloned();
        let object = |value: Option<Value>| match value {
            Some(Value::Object(mut members)) => {
                members.retain(|name, value| !name.starts_with('$') && !value.is_null());
                members
            }
            _ => Map::new(),
        };
        let properties = member(document, "properties");
        Self {
            tags: object(member(document, "tags")),
            desired: object(member(properties.as_ref(), "desired")),
            ..Self::default()
        }
    }

    /// What the device gets to see.
    pub fn to_device_json(&self) -> Value {
        let side = |properties: &Map<String, Value>, version: u64| {
            let mut all = properties.clone();
            all.insert("$version".to_owned(), version.into());
            all
        };
        json!({
            "desired": side(&self.desired, self.desired_version),
            "reported": side(&self.reported, self.reported_version),
        })
    }

    /// Merges a patch of the device's; gives the new version.
    pub(super) fn report(&mut self, patch: &[u8]) -> Result<u64, PatchError> {
        let patch = serde_json::from_slice(patch).map_err(|_| PatchError::NoObject)?;
        self.reported = merged(&self.reported, patch)?;
        self.reported_version = self.reported_version.saturating_add(1);
        Ok(self.reported_version)
    }

    /// Merges patches of the operator's, both or none; gives what the device is told.
    pub(super) fn patch(
        &mut self,
        tags: Option<&Value>,
        desired: Option<&Value>,
    ) -> Result<Option<Value>, PatchError> {
        let tags = tags.map(|patch| merged(&self.tags, patch.clone())).transpose()?;
        let told = desired.map(|patch| self.desire(patch)).transpose()?;
        self.tags = tags.unwrap_or_else(|| core::mem::take(&mut self.tags));
        Ok(told)
    }

    /// Merges a patch of the operator's; gives what the device is told.
    pub(super) fn desire(&mut self, patch: &Value) -> Result<Value, PatchError> {
        self.desired = merged(&self.desired, patch.clone())?;
        self.desired_version = self.desired_version.saturating_add(1);
        let mut told = patch.clone();
        if let Some(members) = told.as_object_mut() {
            members.insert("$version".to_owned(), self.desired_version.into());
        }
        Ok(told)
    }
}

/// A merge patch (RFC 7396) for an object. What begins with a dollar sign is the hub's own.
fn merged(current: &Map<String, Value>, patch: Value) -> Result<Map<String, Value>, PatchError> {
    let Value::Object(mut patch) = patch else { return Err(PatchError::NoObject) };
    patch.retain(|name, _| !name.starts_with('$'));
    let mut all = current.clone();
    merge(&mut all, patch, 1)?;
    match serde_json::to_vec(&all) {
        Ok(text) if text.len() <= MAX_PROPERTIES_BYTES => Ok(all),
        _ => Err(PatchError::TooLarge),
    }
}

fn merge(
    into: &mut Map<String, Value>,
    patch: Map<String, Value>,
    depth: usize,
) -> Result<(), PatchError> {
    if depth > MAX_DEPTH {
        return Err(PatchError::TooDeep);
    }
    for (name, value) in patch {
        match value {
            Value::Null => drop(into.remove(&name)),
            Value::Object(inner) => {
                let entry = into.entry(name).or_insert(Value::Null);
                if !entry.is_object() {
                    *entry = Value::Object(Map::new());
                }
                if let Some(members) = entry.as_object_mut() {
                    merge(members, inner, depth + 1)?;
                }
            }
            // Lists count, too: a state file that is nested deeper than JSON readers go is lost.
            value if depth + nesting(&value) > MAX_DEPTH => return Err(PatchError::TooDeep),
            value => drop(into.insert(name, value)),
        }
    }
    Ok(())
}

/// How many lists and objects are around the innermost value.
fn nesting(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nesting).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(nesting).max().unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_merge_and_null_deletes() {
        let mut twin = Twin::default();
        let patches = [
            r#"{"a":1,"b":{"c":1,"d":{"e":2}},"gone":null}"#,
            r#"{"a":null,"b":{"c":null,"d":{"f":[null]}},"$version":99}"#,
        ];
        for (version, patch) in (2..).zip(patches) {
            assert_eq!(twin.report(patch.as_bytes()), Ok(version));
        }
        assert_eq!(
            Value::Object(twin.reported.clone()),
            json!({"b": {"d": {"e": 2, "f": [null]}}})
        );
        let told = twin.desire(&json!({"interval": 5, "x": null})).unwrap();
        assert_eq!(told, json!({"interval": 5, "x": null, "$version": 2}));
        assert_eq!(
            twin.to_device_json(),
            json!({
                "desired": {"interval": 5, "$version": 2},
                "reported": {"b": {"d": {"e": 2, "f": [null]}}, "$version": 3},
            })
        );
    }

    #[test]
    fn a_bad_patch_changes_nothing() {
        let mut twin = Twin::default();
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(33_000));
        let deep = format!("{}1{}", "{\"a\":".repeat(11), "}".repeat(11));
        let lists = format!("{{\"a\":{}{}}}", "[".repeat(10), "]".repeat(10));
        for (patch, error) in [
            ("", PatchError::NoObject),
            (lists.as_str(), PatchError::TooDeep),
            ("[]", PatchError::NoObject),
            ("{", PatchError::NoObject),
            (large.as_str(), PatchError::TooLarge),
            (deep.as_str(), PatchError::TooDeep),
        ] {
            assert_eq!(twin.report(patch.as_bytes()), Err(error));
        }
        assert_eq!(twin, Twin::default());
    }

    #[test]
    fn the_initial_twin_has_tags_and_desired_properties() {
        let document = json!({"tags": {"line": 7}, "properties": {"desired": {"interval": 5}}});
        let twin = Twin::initial(Some(&document));
        assert_eq!(
            (twin.tags["line"].clone(), twin.desired["interval"].clone()),
            (7.into(), 5.into())
        );
        assert_eq!((twin.desired_version, twin.reported_version), (1, 1));
        for none in [None, Some(&json!({})), Some(&json!({"properties": null, "tags": []}))] {
            assert_eq!(Twin::initial(none), Twin::default());
        }
    }
}
