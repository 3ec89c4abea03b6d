//! How deep JSON may be nested. What the state file keeps of it must be readable at the next start,
//! where readers end at 127, and a row of the file has some levels of its own.

use serde::de::DeserializeOwned;
use serde_json::Deserializer;

/// The deepest that a document from outside may be nested.
pub(crate) const DEEPEST: usize = 100;

/// The deepest row that is read again, deeper than any that was ever written: earlier versions took
/// documents of 127 levels. The thread's stack has to do for it.
const DEEPEST_ROW: usize = 256;

/// How many lists and objects are open at most at once, in what may be JSON.
pub(crate) fn nesting(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in text {
        match (in_string, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Reads a row of a state file, also one of a service that took deeper documents. `None` when it
/// cannot be understood.
pub(crate) fn read_row<T: DeserializeOwned>(text: &str) -> Option<T> {
    let mut reader = Deserializer::from_str(text);
    if nesting(text.as_bytes()) <= DEEPEST_ROW {
        reader.disable_recursion_limit();
    }
    let row = T::deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn lists(count: usize) -> String {
        format!("{{\"a\":{}{}}}", "[".repeat(count), "]".repeat(count))
    }

    #[test]
    fn lists_and_objects_count_and_brackets_in_texts_do_not() {
        for (text, depth) in [
            ("7", 0),
            ("{}", 1),
            (r#"{"a":[{}],"b":{"c":[]}}"#, 3),
            (r#"{"a\"[[[[":"]\\"}"#, 1),
            ("]]][[", 2),
        ] {
            assert_eq!(nesting(text.as_bytes()), depth, "{text}");
        }
        assert_eq!(nesting(lists(500).as_bytes()), 501);
    }

    #[test]
    fn a_row_is_read_deeper_than_documents_are_taken_and_not_without_end() {
        for (count, is_read) in [(1, true), (126, true), (127, true), (255, true), (256, false)] {
            assert_eq!(read_row::<Value>(&lists(count)).is_some(), is_read, "{count}");
        }
        assert!(read_row::<Value>(&lists(100_000)).is_none());
        for damaged in ["", "{}x", "{", "{}{}"] {
            assert!(read_row::<Value>(damaged).is_none(), "{damaged}");
        }
    }
}
