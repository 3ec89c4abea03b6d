//! The program's JSON (`c-abi.md` section 4).

use dps_client::{Error, ErrorKind, Stage};
use serde::Deserialize as _;
use serde_json::value::RawValue;

/// The first JSON value in `text`, byte for byte; what follows it is ignored, as the original does.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] when the text does not begin with a JSON value.
pub(crate) fn first_value(text: &[u8]) -> Result<String, Error> {
    // What is no text can only follow the value.
    let text = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let mut json = serde_json::Deserializer::from_str(text);
    match Box::<RawValue>::deserialize(&mut json) {
        Ok(value) => Ok(value.get().to_owned()),
        // The error names line and column, never the text itself.
        Err(error) => Err(Error::new(Stage::Config, ErrorKind::InvalidConfig)
            .with_detail(format!("the provisioning payload is not JSON: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_json_value_is_kept_as_it_is() {
        for text in [
            r#"{"n": 12345678901234567890, "x":1.10, "s":"a/b"}"#,
            "[1, 2]",
            r#""text""#,
            "17",
            "true",
            "null",
        ] {
            assert_eq!(first_value(text.as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn what_follows_the_first_value_is_ignored() {
        assert_eq!(first_value(br#" {"a":1}/*c*/"#).unwrap(), r#"{"a":1}"#);
        assert_eq!(first_value(b"1 2").unwrap(), "1");
        assert_eq!(first_value(b"{}\xff").unwrap(), "{}");
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        for text in [&b""[..], b" ", b"{secret", b"'secret'", b"\"\xff\"", b"{\"a\":}"] {
            let error = first_value(text).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::InvalidConfig);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
