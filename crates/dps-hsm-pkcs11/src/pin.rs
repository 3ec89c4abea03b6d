//! Where PINs come from. None is kept: each login asks its source again.

use crate::{Pkcs11Error, Pkcs11Uri};
use core::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// No PIN is longer; what is, is another file.
const MAX_BYTES: usize = 4096;

/// A function that is told a token's label and gives its PIN, or nothing.
type Callback = dyn Fn(&str) -> Option<Zeroizing<Vec<u8>>> + Send + Sync;

/// Gives the PIN of a token. A PIN in the URI goes first.
#[derive(Clone, Default)]
pub struct PinSource(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    None,
    Value(Zeroizing<Vec<u8>>),
    File(PathBuf),
    Variable(String),
    Callback(Arc<Callback>),
}

impl PinSource {
    /// None: the URI has it, or the token needs none.
    pub fn none() -> Self {
        Self::default()
    }

    /// This one.
    pub fn value(pin: impl Into<Vec<u8>>) -> Self {
        Self(Source::Value(Zeroizing::new(pin.into())))
    }

    /// The first line of a file, read at each login.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// An environment variable, read at each login.
    pub fn variable(name: impl Into<String>) -> Self {
        Self(Source::Variable(name.into()))
    }

    /// A function, asked at each login with the token's label; nothing means that there is none.
    /// It may be called on any thread: of a registration it is one that `dps-client` starts, and not
    /// the one that registers.
    pub fn callback(
        ask: impl Fn(&str) -> Option<Zeroizing<Vec<u8>>> + Send + Sync + 'static,
    ) -> Self {
        Self(Source::Callback(Arc::new(ask)))
    }

    fn pin(&self, token: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Pkcs11Error> {
        match &self.0 {
            Source::None => Ok(None),
            Source::Value(pin) => Ok(Some(pin.clone())),
            Source::File(path) => from_file(path).map(Some),
            Source::Variable(name) => match std::env::var_os(name) {
                Some(pin) => Ok(Some(Zeroizing::new(pin.into_encoded_bytes()))),
                None => {
                    let reason = format!("the environment variable {name} is not set");
                    Err(Pkcs11Error::PinSource(reason))
                }
            },
            Source::Callback(ask) => Ok(ask(token)),
        }
    }
}

/// Whether there may be a PIN, and the same one whatever token it is for: only a function is told
/// which one that is.
pub(crate) fn is_for_one_token(uri: &Pkcs11Uri, given: &PinSource) -> bool {
    uri.pin_value.is_some()
        || uri.pin_source.is_some()
        || !matches!(given.0, Source::None | Source::Callback(_))
}

/// The PIN for a token: the URI's own, or else what the caller has given.
pub(crate) fn find(
    uri: &Pkcs11Uri,
    given: &PinSource,
    token: &str,
) -> Result<Option<Zeroizing<Vec<u8>>>, Pkcs11Error> {
    if let Some(pin) = &uri.pin_value {
        return Ok(Some(pin.clone()));
    }
    match &uri.pin_source {
        Some(source) => from_file(&source_path(source)?).map(Some),
        None => given.pin(token),
    }
}

/// RFC 7512 section 2.4 leaves open what a pin-source is: a file, by its path or as a file: URI,
/// is what all have in common.
fn source_path(source: &str) -> Result<PathBuf, Pkcs11Error> {
    let wrong = |reason: &str| Err(Pkcs11Error::PinSource(format!("pin-source {reason}")));
    if source.starts_with('|') {
        return wrong("names a command, which is not run here; use a file");
    }
    let path = match source.strip_prefix("file:") {
        Some(rest) => rest.strip_prefix("//localhost/").map_or_else(
            || rest.strip_prefix("//").unwrap_or(rest).to_owned(),
            |path| format!("/{path}"),
        ),
        None => source.to_owned(),
    };
    if path.is_empty() {
        return wrong("is empty");
    }
    Ok(path.into())
}

/// The first line of a file, without its end.
fn from_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Pkcs11Error> {
    let fault = |reason: &dyn fmt::Display| {
        Pkcs11Error::PinSource(format!("the file {}: {reason}", path.display()))
    };
    // In one buffer: one that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| fault(&error))?;
    let length = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    if length > MAX_BYTES {
        return Err(fault(&"its first line is too long for a PIN"));
    }
    bytes.truncate(length);
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(fault(&"its first line is empty"));
    }
    Ok(bytes)
}

impl fmt::Debug for PinSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::None => f.write_str("PinSource(none)"),
            Source::Value(_) => f.write_str("PinSource(secret)"),
            Source::File(path) => write!(f, "PinSource(file {})", path.display()),
            Source::Variable(name) => write!(f, "PinSource(variable {name})"),
            Source::Callback(_) => f.write_str("PinSource(callback)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(uri: &str, given: &PinSource) -> Result<Option<String>, String> {
        let uri = Pkcs11Uri::parse(uri).unwrap();
        find(&uri, given, "token")
            .map(|pin| pin.map(|pin| String::from_utf8(pin.to_vec()).unwrap()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_pin_comes_from_the_uri_or_else_from_the_caller() {
        let given = PinSource::value("given");
        assert_eq!(pin("pkcs11:?pin-value=%31%32", &given), Ok(Some("12".into())));
        assert_eq!(pin("pkcs11:", &given), Ok(Some("given".into())));
        assert_eq!(pin("pkcs11:", &PinSource::none()), Ok(None));
        let ask = PinSource::callback(|token| {
            (token == "token").then(|| Zeroizing::new(b"asked".to_vec()))
        });
        assert_eq!(pin("pkcs11:", &ask), Ok(Some("asked".into())));
        // Set for every process that cargo starts.
        let variable = PinSource::variable("CARGO_PKG_NAME");
        assert_eq!(pin("pkcs11:", &variable), Ok(Some("dps-hsm-pkcs11".into())));
        let unset = pin("pkcs11:", &PinSource::variable("NO_SUCH_PIN")).unwrap_err();
        assert!(unset.contains("NO_SUCH_PIN is not set"), "{unset}");
        for source in [given, ask, variable] {
            assert!(!format!("{source:?}").contains("given"));
        }
    }

    #[test]
    fn only_a_function_has_a_pin_for_each_token() {
        let plain = Pkcs11Uri::parse("pkcs11:").unwrap();
        let ask = || PinSource::callback(|_| None);
        for source in [PinSource::none(), ask()] {
            assert!(!is_for_one_token(&plain, &source), "{source:?}");
        }
        for source in [PinSource::value("1"), PinSource::file("/x"), PinSource::variable("X")] {
            assert!(is_for_one_token(&plain, &source), "{source:?}");
        }
        for uri in ["pkcs11:?pin-value=1", "pkcs11:?pin-source=/x"] {
            assert!(is_for_one_token(&Pkcs11Uri::parse(uri).unwrap(), &ask()), "{uri}");
        }
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let path = std::env::temp_dir().join(format!("dps-pin-{}", std::process::id()));
        let uri = |form: &str| format!("pkcs11:?pin-source={form}{}", path.display());
        for (text, expected) in
            [("1234", "1234"), ("1234\n", "1234"), ("12 34\r\n5", "12 34"), (" 1\n", " 1")]
        {
            std::fs::write(&path, text).unwrap();
            for form in ["file:", "file://", "file://localhost", ""] {
                assert_eq!(
                    pin(&uri(form), &PinSource::none()),
                    Ok(Some(expected.into())),
                    "{form}"
                );
            }
            assert_eq!(pin("pkcs11:", &PinSource::file(&path)), Ok(Some(expected.into())));
        }
        for (text, words) in
            [("", "is empty"), ("\n1234", "is empty"), (&*"9".repeat(5000), "too long")]
        {
            std::fs::write(&path, text).unwrap();
            let error = pin(&uri("file:"), &PinSource::none()).unwrap_err();
            assert!(error.contains(words) && !error.contains("1234"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(pin(&uri("file:"), &PinSource::none()).unwrap_err().contains("No such file"));
        let command = pin("pkcs11:?pin-source=|/usr/bin/ask", &PinSource::none()).unwrap_err();
        assert!(command.contains("names a command"), "{command}");
    }
}
