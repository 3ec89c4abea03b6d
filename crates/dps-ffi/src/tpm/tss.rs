//! The TPM that the library drives by itself, by dps-hsm-tpm.

use super::Tpm;
use crate::failure::Failure;
use crate::plugin::of_module;
use dps_hsm_tpm::{Tcti, TpmError, TpmHsm};
use std::env;
use std::sync::{Mutex, PoisonError};

/// Whether this build can drive a TPM by itself.
pub(crate) const BUILT_IN: bool = true;

/// Where to look for the way to the TPM when the program has not said it, in this order. The second
/// is the tss2 tools'.
const VARIABLES: [&str; 2] = ["DPS_TCTI", "TPM2TOOLS_TCTI"];

/// The way when nobody has said it: the machine's own TPM, or swtpm where `c-abi.md` section 5 has
/// the simulator.
const DEFAULT: &str =
    if cfg!(feature = "tpm-simulator") { "swtpm:host=127.0.0.1,port=2321" } else { "auto" };

/// What the program has said, for the whole process.
static TOLD: Mutex<Option<Tcti>> = Mutex::new(None);

/// Opens the TPM, and makes the keys that are missing.
pub(crate) fn open() -> Result<Tpm, Failure> {
    let told = TOLD.lock().unwrap_or_else(PoisonError::into_inner).clone();
    told.map_or_else(way, Ok)
        .and_then(|tcti| {
            TpmHsm::open(dps_hsm_tpm::Tpm::new(tcti)).map_err(|error| in_words(&error))
        })
        .map(Tpm::new)
        .map_err(of_module)
}

pub(crate) fn set_tcti(text: Option<String>) -> Result<(), String> {
    let tcti = text.map(|text| parse(&text)).transpose()?;
    *TOLD.lock().unwrap_or_else(PoisonError::into_inner) = tcti;
    Ok(())
}

/// What the environment says, else the default.
fn way() -> Result<Tcti, String> {
    for name in VARIABLES {
        if let Some(text) = env::var_os(name).filter(|text| !text.is_empty()) {
            let text = text.to_string_lossy();
            return parse(&text).map_err(|reason| format!("{name}: {reason}"));
        }
    }
    parse(DEFAULT)
}

fn parse(text: &str) -> Result<Tcti, String> {
    text.parse().map_err(|error: TpmError| in_words(&error))
}

fn in_words(error: &TpmError) -> String {
    format!("{error}; {}", error.hint())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_is_none_is_refused_and_changes_nothing() {
        set_tcti(Some("swtpm:host=127.0.0.1,port=1".into())).unwrap();
        let refusal = set_tcti(Some("swtpm:path=/run/tpm".into())).unwrap_err();
        assert!(refusal.contains("UNIX sockets"), "{refusal}");
        let failure = open().unwrap_err().to_string();
        assert!(failure.contains("port=1"), "{failure}");
        set_tcti(None).unwrap();
    }

    #[test]
    fn the_default_is_a_way() {
        assert_eq!(parse(DEFAULT).unwrap().to_string(), DEFAULT);
    }
}
