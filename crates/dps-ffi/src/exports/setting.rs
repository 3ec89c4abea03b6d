//! Reading an option's name and value (`c-abi.md` sections 2.1 and 2.2).
#![allow(unsafe_code)]

use crate::abi::{HTTP_PROXY_OPTIONS, PROV_DEVICE_RESULT};
use crate::options::{Name, Setting, refused, tls_versions};
use crate::pointers;
use crate::secret::SecretText;
use crate::session::Session;
use core::ffi::{c_char, c_int, c_void};
use dps_client::Proxy;
use zeroize::Zeroizing;

use PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_ERROR as ERROR;

/// `KEY_TYPE_DEFAULT` of `shared_util_options.h`.
const KEY_TYPE_DEFAULT: c_int = 0;

/// Both SetOption functions, behind their checks for NULL.
///
/// # Safety
///
/// `value` is NULL or points to what the option calls for.
pub(super) unsafe fn set_option(
    session: &Session,
    name: &str,
    value: *const c_void,
    threaded: bool,
) -> PROV_DEVICE_RESULT {
    let known = match Name::find(name) {
        Some(Name::DoWorkFrequency) if !threaded => {
            return session.refuse(ERROR, "do_work_freq_ms is for the threaded client");
        }
        Some(known) => known,
        None => {
            return session.refuse(
                ERROR,
                match refused(name) {
                    Some(reason) => format!("the option {name} is not supported: {reason}"),
                    None => format!("unknown option {name:?}"),
                },
            );
        }
    };
    // SAFETY: the caller's contract.
    match unsafe { read(known, value) } {
        Ok(setting) => session.set_option(setting),
        Err(reason) => session.refuse(ERROR, format!("{name}: {reason}")),
    }
}

/// Reads the value. On refusal tells why.
///
/// # Safety
///
/// `value` is NULL or points to what the option calls for.
unsafe fn read(name: Name, value: *const c_void) -> Result<Setting, String> {
    // SAFETY: the caller's contract, here and below. A bool is read as a byte, of which every
    // value is valid.
    let text = || unsafe { pointers::text(value.cast()) };
    let bytes = || unsafe { pointers::bytes(value.cast()) };
    let byte = || unsafe { pointers::value::<u8>(value) };
    let int = || unsafe { pointers::value::<c_int>(value) };
    let setting = match name {
        Name::RegistrationId => text().map(Setting::RegistrationId),
        Name::TrustedCerts => bytes().map(Setting::TrustedCerts),
        Name::LogTrace => byte().map(|on| Setting::LogTrace(on != 0)),
        Name::Timeout => byte().map(Setting::Timeout),
        Name::Certificate => bytes().map(Setting::Certificate),
        Name::PrivateKey => unsafe { secret(value.cast()) }.map(Setting::PrivateKey),
        Name::Proxy => match unsafe { pointers::value(value) } {
            // SAFETY: the texts are those of the caller's struct.
            Some(options) => Some(Setting::Proxy(unsafe { proxy(options) }?)),
            None => None,
        },
        Name::TlsVersion => int().map(|version| Setting::TlsVersions(tls_versions(version))),
        Name::CipherSuite => bytes().map(|_| Setting::NoEffect(name)),
        Name::Renegotiation => byte().map(|_| Setting::NoEffect(name)),
        Name::KeyType => match int() {
            Some(kind) if kind != KEY_TYPE_DEFAULT => {
                return Err(
                    "this library has no OpenSSL engines; the key must be given in PEM".into()
                );
            }
            kind => kind.map(|_| Setting::NoEffect(name)),
        },
        Name::AddressType => match bytes().as_deref() {
            Some(b"IP_SOCKET") => Some(Setting::NoEffect(name)),
            Some(_) => return Err("only IP_SOCKET is supported".into()),
            None => None,
        },
        Name::SkipNameCheck => match byte() {
            Some(0) => Some(Setting::NoEffect(name)),
            Some(_) => {
                return Err(
                    "names are always checked; use one that the server's certificate has".into()
                );
            }
            None => None,
        },
        Name::DoWorkFrequency => {
            unsafe { pointers::value::<u16>(value) }.map(Setting::DoWorkFrequency)
        }
    };
    setting.ok_or_else(|| "the option's value is NULL".into())
}

/// A copy of a text that is wiped.
///
/// # Safety
///
/// As for [`pointers::text`].
unsafe fn secret(text: *const c_char) -> Option<SecretText> {
    // SAFETY: the caller's contract.
    let text = unsafe { pointers::text(text) }.map(Zeroizing::new)?;
    Some(SecretText::new(&text))
}

/// # Safety
///
/// The texts are NULL or C strings.
unsafe fn proxy(options: HTTP_PROXY_OPTIONS) -> Result<Proxy, String> {
    // SAFETY: the caller's contract.
    let (host, username, password) = unsafe {
        (
            pointers::text(options.host_address),
            pointers::text(options.username),
            secret(options.password),
        )
    };
    let host = host.ok_or("host_address is NULL")?;
    let port = u16::try_from(options.port).map_err(|_| "the port is not one of 1 to 65535")?;
    let proxy = Proxy::http(host, port).map_err(|error| error.to_string())?;
    match (username, password) {
        (None, None) => Ok(proxy),
        // It would be sent, and the proxy would say that the password is wrong.
        (Some(username), Some(password))
            if [username.as_str(), password.expose()]
                .iter()
                .any(|text| text.contains('\u{fffd}')) =>
        {
            Err("username and password must be UTF-8".into())
        }
        (Some(username), Some(password)) => {
            proxy.basic_auth(username, password.expose()).map_err(|error| error.to_string())
        }
        _ => Err("username and password must be both set or both NULL".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr;

    fn options() -> HTTP_PROXY_OPTIONS {
        HTTP_PROXY_OPTIONS {
            host_address: c"proxy".as_ptr(),
            port: 3128,
            username: ptr::null(),
            password: ptr::null(),
        }
    }

    fn read_proxy(options: HTTP_PROXY_OPTIONS) -> Result<Proxy, String> {
        // SAFETY: the tests' texts are C strings.
        unsafe { proxy(options) }
    }

    #[test]
    fn a_proxy_has_a_host_a_port_and_both_credentials_or_none() {
        let plain = Proxy::http("proxy", 3128).unwrap();
        assert_eq!(read_proxy(options()).as_ref(), Ok(&plain));
        let (username, password) = (c"user".as_ptr(), c"word".as_ptr());
        let proxy = read_proxy(HTTP_PROXY_OPTIONS { username, password, ..options() }).unwrap();
        assert_eq!(proxy, plain.basic_auth("user", "word").unwrap());
        for wrong in [
            HTTP_PROXY_OPTIONS { host_address: ptr::null(), ..options() },
            HTTP_PROXY_OPTIONS { host_address: c"".as_ptr(), ..options() },
            HTTP_PROXY_OPTIONS { host_address: c"http://proxy".as_ptr(), ..options() },
            HTTP_PROXY_OPTIONS { username, ..options() },
            HTTP_PROXY_OPTIONS { username, password: c"w\xfcrd".as_ptr(), ..options() },
            HTTP_PROXY_OPTIONS { username: c"\xff".as_ptr(), password, ..options() },
            HTTP_PROXY_OPTIONS { password, ..options() },
            HTTP_PROXY_OPTIONS { port: 0, ..options() },
            HTTP_PROXY_OPTIONS { port: -1, ..options() },
            HTTP_PROXY_OPTIONS { port: 65536, ..options() },
        ] {
            assert!(read_proxy(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn null_is_refused_whatever_the_option() {
        for name in [
            Name::RegistrationId,
            Name::LogTrace,
            Name::Timeout,
            Name::TrustedCerts,
            Name::Certificate,
            Name::PrivateKey,
            Name::Proxy,
            Name::TlsVersion,
            Name::CipherSuite,
            Name::Renegotiation,
            Name::KeyType,
            Name::AddressType,
            Name::SkipNameCheck,
            Name::DoWorkFrequency,
        ] {
            // SAFETY: NULL is allowed.
            assert!(unsafe { read(name, ptr::null()) }.is_err(), "{name:?}");
        }
    }
}
