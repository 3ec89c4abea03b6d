//! The ways to a TPM.

use crate::TpmError;
use core::fmt;
use core::str::FromStr;
use std::path::{Path, PathBuf};
use tss_esapi::TctiNameConf;

/// The kernel's resource manager: several programs share the TPM.
const RESOURCE_MANAGER: &str = "/dev/tpmrm0";
/// The TPM itself: one program at a time.
const BARE_DEVICE: &str = "/dev/tpm0";

/// How to reach a TPM, in the notation of the tss2 tools (`TPM2TOOLS_TCTI`).
///
/// | text | what |
/// |---|---|
/// | `auto` | the first there is of `/dev/tpmrm0`, the access broker, `/dev/tpm0` |
/// | `device`, `device:PATH` | a device file; `/dev/tpmrm0` unless given |
/// | `tabrmd`, `tabrmd:bus_name=...,bus_type=session` | the access broker tpm2-abrmd |
/// | `swtpm:host=...,port=...` | swtpm over TCP; its control port is one above |
/// | `mssim:host=...,port=...` | a simulator with Microsoft's protocol |
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tcti(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Auto,
    Device(PathBuf),
    /// The text, and what tss-esapi made of it.
    Other(String, TctiNameConf),
}

impl Tcti {
    /// The first of the machine's own that is there.
    pub const fn auto() -> Self {
        Self(Kind::Auto)
    }

    /// A device file, for example `/dev/tpmrm0`.
    pub fn device(path: impl Into<PathBuf>) -> Self {
        Self(Kind::Device(path.into()))
    }

    /// What to try, in this order.
    pub(crate) fn candidates(&self) -> Vec<Tcti> {
        if !matches!(self.0, Kind::Auto) {
            return vec![self.clone()];
        }
        // A device that is there is the one that is meant, even if it cannot be opened: the
        // error about it is the one to act on. The broker goes before the bare device, which it
        // would hold.
        if Path::new(RESOURCE_MANAGER).exists() {
            return vec![Self::device(RESOURCE_MANAGER)];
        }
        if Path::new(BARE_DEVICE).exists() {
            return vec![Self::broker(), Self::device(BARE_DEVICE)];
        }
        Vec::new()
    }

    fn broker() -> Self {
        Self(Kind::Other("tabrmd".into(), TctiNameConf::Tabrmd(Default::default())))
    }

    /// The device file, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Device(path) => Some(path),
            _ => None,
        }
    }

    /// Whether it leads to a simulator, which nobody may have started up.
    pub(crate) fn is_simulator(&self) -> bool {
        matches!(&self.0, Kind::Other(_, TctiNameConf::Swtpm(_) | TctiNameConf::Mssim(_)))
    }

    /// In tss-esapi's terms.
    pub(crate) fn configuration(&self) -> Result<TctiNameConf, TpmError> {
        match &self.0 {
            Kind::Auto => Err(TpmError::NoTpm),
            Kind::Device(path) => path
                .to_str()
                .and_then(|path| format!("device:{path}").parse().ok())
                .ok_or_else(|| bad(&path.to_string_lossy(), "the path is not UTF-8 text")),
            Kind::Other(_, configuration) => Ok(configuration.clone()),
        }
    }
}

fn bad(text: &str, reason: &'static str) -> TpmError {
    TpmError::BadTcti { text: text.into(), reason }
}

impl FromStr for Tcti {
    type Err = TpmError;

    fn from_str(text: &str) -> Result<Self, TpmError> {
        let (name, options) = text.split_once(':').unwrap_or((text, ""));
        let known: &[&str] = match name {
            "auto" if options.is_empty() => return Ok(Self::auto()),
            "device" if options.is_empty() => return Ok(Self::device(RESOURCE_MANAGER)),
            "device" => return Ok(Self::device(options)),
            "tabrmd" => &["bus_name", "bus_type"],
            "swtpm" | "mssim" => &["host", "port"],
            _ => {
                return Err(bad(text, "it starts with none of auto, device, tabrmd, swtpm, mssim"));
            }
        };
        // The library skips what it does not know, and then talks to another TPM.
        for option in options.split(',').filter(|_| !options.is_empty()) {
            match option.split_once('=') {
                Some((key, value)) if known.contains(&key) && !value.is_empty() => {}
                Some((key, _)) if known.contains(&key) => {
                    return Err(bad(text, "an option has no value"));
                }
                Some(("path", _)) => {
                    return Err(bad(text, "UNIX sockets are not supported: use host and port"));
                }
                _ if name == "tabrmd" => {
                    return Err(bad(text, "its options are bus_name=... and bus_type=..."));
                }
                _ => return Err(bad(text, "its options are host=... and port=...")),
            }
        }
        let configuration = text.parse().map_err(|_| {
            bad(text, "a value is none: a port is 1 to 65535, a bus system or session")
        })?;
        Ok(Self(Kind::Other(text.into(), configuration)))
    }
}

impl fmt::Display for Tcti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Auto => f.write_str("auto"),
            Kind::Device(path) => write!(f, "device:{}", path.display()),
            Kind::Other(text, _) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_tss2_tools_are_read_and_shown_again() {
        for text in [
            "auto",
            "device:/dev/tpm7",
            "tabrmd",
            "tabrmd:bus_name=com.intel.tss2.Tabrmd,bus_type=session",
            "swtpm",
            "swtpm:host=127.0.0.1,port=2321",
            "mssim:host=localhost,port=2321",
        ] {
            assert_eq!(text.parse::<Tcti>().unwrap().to_string(), text);
        }
        assert_eq!("device".parse::<Tcti>().unwrap(), Tcti::device("/dev/tpmrm0"));
        assert!("swtpm".parse::<Tcti>().unwrap().is_simulator());
        assert!(!"device".parse::<Tcti>().unwrap().is_simulator());
    }

    #[test]
    fn what_would_lead_elsewhere_is_refused() {
        for (text, words) in [
            ("", "none of auto"),
            ("/dev/tpm0", "none of auto"),
            ("auto:x", "none of auto"),
            ("libtpms:x", "none of auto"),
            ("swtpm:hots=10.0.0.1,port=1", "options are host"),
            ("swtpm:host=10.0.0.1,port=", "has no value"),
            ("swtpm:path=/run/swtpm.sock", "UNIX sockets"),
            ("swtpm:host=a b", "a value is none"),
            ("mssim:port=70000", "a value is none"),
            ("tabrmd:bus=session", "bus_name"),
            ("tabrmd:bus_type=nonsense", "a value is none"),
        ] {
            let error = text.parse::<Tcti>().unwrap_err();
            assert!(error.to_string().contains(words), "{text:?}: {error}");
        }
    }
}
