//! What a TPM's response codes say (TPM 2.0 Library, part 2, section 6.6), in words, and what to
//! do about them.

use tss_esapi::Error;
use tss_esapi::constants::response_code::Tss2ResponseCode;

/// Who made a code: the upper half of the 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Tpm,
    /// tss2's own layers.
    Library,
    /// The way to the TPM.
    Transmission,
}

fn layer(code: u32) -> Layer {
    match (code >> 16) & 0xff {
        // A resource manager speaks for the TPM.
        0 | 11 | 12 => Layer::Tpm,
        10 => Layer::Transmission,
        _ => Layer::Library,
    }
}

/// The code in an error of tss-esapi, if it is not the wrapper's own.
pub(crate) fn code(error: Error) -> Option<u32> {
    let Error::Tss2Error(response) = error else { return None };
    // Only the text has the whole number, with the layer that made it.
    let text = match response {
        Tss2ResponseCode::Success => return None,
        Tss2ResponseCode::FormatZero(code) => code.to_string(),
        Tss2ResponseCode::FormatOne(code) => code.to_string(),
    };
    let (_, digits) = text.rsplit_once("0x")?;
    u32::from_str_radix(digits, 16).ok()
}

/// The part of a TPM's code that says what it is, without which parameter, handle or session.
pub(crate) fn base(code: u32) -> u32 {
    let code = code & 0xffff;
    if code & 0x80 != 0 { code & 0xbf } else { code }
}

/// Whether the TPM was only busy: the same command may succeed a little later.
pub(crate) fn is_passing(code: u32) -> bool {
    // YIELDED, CANCELED, TESTING, NV_RATE, RETRY, NV_UNAVAILABLE.
    layer(code) == Layer::Tpm && matches!(base(code), 0x908 | 0x909 | 0x90a | 0x920 | 0x922 | 0x923)
}

/// Whether the TPM says that it was not started up.
pub(crate) fn is_not_started(code: u32) -> bool {
    layer(code) == Layer::Tpm && base(code) == 0x100
}

/// Whether the handle is in use already (`TPM_RC_NV_DEFINED`).
pub(crate) fn is_occupied(code: u32) -> bool {
    layer(code) == Layer::Tpm && base(code) == 0x14c
}

/// Whether the TPM says that it has failed (`TPM_RC_FAILURE`).
pub(crate) fn is_failure(code: u32) -> bool {
    layer(code) == Layer::Tpm && base(code) == 0x101
}

/// Whether the command was refused for what it was given: a damaged or foreign blob. Such a code
/// names the parameter; some TPMs leave its number out where a structure within is at fault.
pub(crate) fn is_about_contents(code: u32) -> bool {
    let names_parameter = code & 0xc0 == 0xc0;
    // VALUE, TYPE, SIZE, INSUFFICIENT, KEY, INTEGRITY, BINDING.
    let is_unnumbered = matches!(code & 0xfff, 0x84 | 0x8a | 0x95 | 0x9a | 0x9c | 0x9f | 0xa5);
    layer(code) == Layer::Tpm && (names_parameter || is_unnumbered)
}

/// The name and the meaning of a code.
pub(crate) fn words(code: u32) -> String {
    let (name, meaning) = match layer(code) {
        Layer::Tpm => of_tpm(base(code)),
        Layer::Transmission => ("", "the connection to the TPM failed"),
        Layer::Library => ("", "tss2 refused the call"),
    };
    let place = match (code & 0x80 != 0 && layer(code) == Layer::Tpm, (code >> 8) & 0xf) {
        (false, _) | (true, 0) => String::new(),
        (true, number) if code & 0x40 != 0 => format!(", parameter {number}"),
        (true, number) if number < 8 => format!(", handle {number}"),
        (true, number) => format!(", session {}", number - 8),
    };
    if name.is_empty() {
        format!("{meaning} (code {code:#x}{place})")
    } else {
        format!("{meaning} ({name}, code {code:#x}{place})")
    }
}

fn of_tpm(base: u32) -> (&'static str, &'static str) {
    match base {
        0x81 => ("TPM_RC_ASYMMETRIC", "an asymmetric algorithm is not supported or not correct"),
        0x82 => ("TPM_RC_ATTRIBUTES", "the key's attributes do not allow this"),
        0x83 => ("TPM_RC_HASH", "a hash algorithm is not supported or not appropriate"),
        0x84 => ("TPM_RC_VALUE", "a value is out of range or not correct"),
        0x85 => ("TPM_RC_HIERARCHY", "the hierarchy is disabled"),
        0x87 => ("TPM_RC_KEY_SIZE", "a key size is not supported"),
        0x8a => ("TPM_RC_TYPE", "an object has the wrong type"),
        0x8b => ("TPM_RC_HANDLE", "there is nothing at this handle"),
        0x8e => (
            "TPM_RC_AUTH_FAIL",
            "the authorization value is wrong, which counts towards the lockout",
        ),
        0x92 => ("TPM_RC_SCHEME", "the key has another scheme"),
        0x95 => ("TPM_RC_SIZE", "a structure has the wrong size"),
        0x96 => ("TPM_RC_SYMMETRIC", "a symmetric algorithm is not supported or not correct"),
        0x97 => ("TPM_RC_TAG", "a structure has the wrong tag"),
        0x9a => ("TPM_RC_INSUFFICIENT", "a structure ends too early"),
        0x9b => ("TPM_RC_SIGNATURE", "a signature is not valid"),
        0x9c => ("TPM_RC_KEY", "the key's fields are not compatible"),
        0x9d => ("TPM_RC_POLICY_FAIL", "the key's policy is not satisfied"),
        0x9f => ("TPM_RC_INTEGRITY", "an integrity check failed"),
        0xa1 => ("TPM_RC_RESERVED_BITS", "a bit that has no meaning is set"),
        0xa2 => ("TPM_RC_BAD_AUTH", "the authorization value is wrong"),
        0xa5 => ("TPM_RC_BINDING", "public and private parts do not belong together"),
        0xa6 => ("TPM_RC_CURVE", "the curve is not supported"),
        0x100 => ("TPM_RC_INITIALIZE", "the TPM was not started up"),
        0x101 => ("TPM_RC_FAILURE", "the TPM reports a failure of its own"),
        0x120 => ("TPM_RC_DISABLED", "the command is disabled"),
        0x12d => ("TPM_RC_UPGRADE", "the TPM is being upgraded"),
        0x12f => ("TPM_RC_AUTH_UNAVAILABLE", "the key cannot be authorized in this way"),
        0x130 => ("TPM_RC_REBOOT", "the TPM wants a restart"),
        0x143 => ("TPM_RC_COMMAND_CODE", "the TPM does not know the command"),
        0x149 => ("TPM_RC_NV_AUTHORIZATION", "access to the non-volatile memory is not authorized"),
        0x14b => ("TPM_RC_NV_SPACE", "the non-volatile memory is full"),
        0x14c => ("TPM_RC_NV_DEFINED", "the handle is taken already"),
        0x902 => ("TPM_RC_OBJECT_MEMORY", "the TPM has no room for another loaded key"),
        0x903 => ("TPM_RC_SESSION_MEMORY", "the TPM has no room for another session"),
        0x904 => ("TPM_RC_MEMORY", "the TPM is out of memory"),
        0x905 => ("TPM_RC_SESSION_HANDLES", "the TPM has no session left"),
        0x906 => ("TPM_RC_OBJECT_HANDLES", "the TPM has no handle left for another loaded key"),
        0x907 => ("TPM_RC_LOCALITY", "not from this locality"),
        0x908 => ("TPM_RC_YIELDED", "the TPM suspended the command"),
        0x909 => ("TPM_RC_CANCELED", "the command was cancelled"),
        0x90a => ("TPM_RC_TESTING", "the TPM tests itself"),
        0x920 => ("TPM_RC_NV_RATE", "the TPM limits how often its memory is written"),
        0x921 => ("TPM_RC_LOCKOUT", "the TPM is locked after wrong authorization values"),
        0x922 => ("TPM_RC_RETRY", "the TPM is busy"),
        0x923 => ("TPM_RC_NV_UNAVAILABLE", "the non-volatile memory cannot be written just now"),
        _ => ("", "the TPM refused the command"),
    }
}

/// What to do about hierarchies that are disabled.
pub(crate) const HIERARCHIES: &str =
    "enable the owner and endorsement hierarchies in the firmware's settings";

/// Whether the TPM says that there is nothing at a handle (`TPM_RC_HANDLE`).
pub(crate) fn is_no_handle(code: u32) -> bool {
    layer(code) == Layer::Tpm && base(code) == 0x8b
}

/// What to do.
pub(crate) fn hint(code: u32) -> &'static str {
    match layer(code) {
        Layer::Transmission => {
            return "check that the TPM, its resource manager or the simulator still runs, and that no other program holds it";
        }
        Layer::Library => {
            return "check the versions of the tss2 libraries; TSS2_LOG=all+debug shows what they do";
        }
        Layer::Tpm => {}
    }
    match base(code) {
        0x85 | 0x120 => HIERARCHIES,
        0x8e | 0xa2 => {
            "give the right authorization values: those that the TPM's owner has set for the owner and endorsement hierarchies, or the key's own"
        }
        0x100 => {
            "start the TPM up: the firmware does for a real one, tpm2_startup -c for a simulator"
        }
        0x101 | 0x130 | 0x12d => {
            "restart the machine, and look at its firmware's messages if that does not help"
        }
        0x143 | 0xa6 | 0x83 => {
            "use a TPM 2.0 with the commands and algorithms of the PC client profile"
        }
        0x14b => {
            "remove keys that nobody needs: tpm2_getcap handles-persistent lists them, tpm2_evictcontrol -c removes one"
        }
        0x902..=0x906 => {
            "use the resource manager /dev/tpmrm0; what other programs have left loaded goes with tpm2_flushcontext -t and -l"
        }
        0x921 => {
            "wait until the TPM forgets the failures, or reset the lockout: tpm2_dictionarylockout --clear-lockout"
        }
        0x908 | 0x909 | 0x90a | 0x920 | 0x922 | 0x923 => {
            "try again later: the TPM was busy for too long"
        }
        0x92 => {
            "make a key that signs with its curve's hash: tpm2_create -G ecc256:ecdsa-sha256 or ecc384:ecdsa-sha384"
        }
        0x8b => "the TPM was cleared, or the key removed, meanwhile: register again",
        _ => "look the code up with tpm2_rc_decode",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_with_what_they_are_about() {
        for (code, words_of_it) in [
            (0x9a2, "the authorization value is wrong (TPM_RC_BAD_AUTH, code 0x9a2, session 1)"),
            (0x4df, "an integrity check failed (TPM_RC_INTEGRITY, code 0x4df, parameter 4)"),
            (0x18b, "there is nothing at this handle (TPM_RC_HANDLE, code 0x18b, handle 1)"),
            (
                0x921,
                "the TPM is locked after wrong authorization values (TPM_RC_LOCKOUT, code 0x921)",
            ),
            (
                0xb0902,
                "the TPM has no room for another loaded key (TPM_RC_OBJECT_MEMORY, code 0xb0902)",
            ),
            (0xa000a, "the connection to the TPM failed (code 0xa000a)"),
            (0x70001, "tss2 refused the call (code 0x70001)"),
            (0x14f, "the TPM refused the command (code 0x14f)"),
        ] {
            assert_eq!(words(code), words_of_it);
        }
    }

    #[test]
    fn hints_follow_the_cause() {
        for (code, words) in [
            (0x921, "lockout"),
            (0x9a2, "authorization values"),
            (0x902, "/dev/tpmrm0"),
            (0x14b, "tpm2_evictcontrol"),
            (0xa000a, "no other program"),
            (0x285, "hierarchies"),
            (0x2d2, "ecc384:ecdsa-sha384"),
        ] {
            assert!(hint(code).contains(words), "{code:#x}: {}", hint(code));
        }
    }

    #[test]
    fn only_a_busy_tpm_is_asked_again() {
        for code in [0x908, 0x90a, 0x920, 0x922, 0x923, 0xb0922] {
            assert!(is_passing(code), "{code:#x}");
        }
        for code in [0x921, 0x902, 0x9a2, 0xa0922, 0x70922, 0x101] {
            assert!(!is_passing(code), "{code:#x}");
        }
        assert!(is_not_started(0x100) && is_occupied(0x14c));
        assert!(
            is_about_contents(0x1df) && !is_about_contents(0x9a2) && !is_about_contents(0xa000a)
        );
    }
}
