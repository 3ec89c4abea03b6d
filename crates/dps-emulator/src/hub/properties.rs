//! Property bags: the part of a topic behind the last slash (`wire-protocol.md` section 8.1).

use super::percent;
use std::collections::BTreeMap;

/// The properties of a message, both sides decoded. System properties have names that begin with
/// `$.`: `$.mid` is the message's id, `$.ct` the content type, `$.ce` the encoding. The value is
/// `None` for a name without `=`.
pub type Properties = BTreeMap<String, Option<String>>;

/// Reads `k=v&k=v`; `None` when an escape is broken.
pub(super) fn read(bag: &str) -> Option<Properties> {
    // Some clients have a question mark or a slash around the bag.
    let bag = bag.strip_prefix('?').unwrap_or(bag);
    let bag = bag.strip_suffix('/').unwrap_or(bag);
    let mut properties = Properties::new();
    for parameter in bag.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(percent::decode(value)?)),
            None => (parameter, None),
        };
        properties.insert(percent::decode(name)?, value);
    }
    Some(properties)
}

/// Writes them as they stand in a topic.
pub(super) fn write(properties: &Properties) -> String {
    let parameters = properties.iter().map(|(name, value)| {
        let name = percent::encode(name);
        match value {
            Some(value) => format!("{name}={}", percent::encode(value)),
            None => name,
        }
    });
    parameters.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bags_of_real_clients() {
        // Python encodes values only, C the dollar sign, too.
        let python = read("%24.ct=application%2Fjson&%24.ce=utf-8&alert=true").unwrap();
        assert_eq!(python["$.ct"].as_deref(), Some("application/json"));
        assert_eq!(python["alert"].as_deref(), Some("true"));
        assert_eq!(
            read("$.mid=1&a=&b").unwrap().into_iter().collect::<Vec<_>>(),
            [
                ("$.mid".to_owned(), Some("1".to_owned())),
                ("a".to_owned(), Some(String::new())),
                ("b".to_owned(), None),
            ]
        );
        assert!(read("").unwrap().is_empty() && read("/").unwrap().is_empty());
        assert!(read("a=%").is_none());
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let bag = Properties::from([
            ("$.to".to_owned(), Some("/devices/d/x".to_owned())),
            ("a b".to_owned(), None),
            ("c".to_owned(), Some(String::new())),
        ]);
        assert_eq!(write(&bag), "%24.to=%2Fdevices%2Fd%2Fx&a%20b&c=");
        assert_eq!(read(&write(&bag)).unwrap(), bag);
    }
}
