//! Commands that manage the service, this one or the real one (`wire-protocol.md` section 7).

pub(crate) mod enrollment;
pub(crate) mod enrollment_group;
pub(crate) mod hub;
mod members;
pub(crate) mod registration;
mod shown;

use crate::arguments::service::Login;
use crate::exit;
use crate::failure::Failure;
use crate::proxy;
use dps_service::{ConnectionString, Error, ServiceClient};
use std::fs;
use std::path::Path;
use zeroize::Zeroizing;

/// A client of the service that the options name.
fn connect(login: &Login) -> Result<ServiceClient, Failure> {
    let remedy = "put the service's connection string into DPS_CONNECTION_STRING, or into a file for --login-file; the local service shows its own when it starts";
    let text = match (&login.login, &login.login_file) {
        (Some(text), _) => Zeroizing::new(text.clone()),
        (None, Some(path)) => Zeroizing::new(read(path)?),
        (None, None) => match std::env::var("DPS_CONNECTION_STRING") {
            Ok(text) if !text.trim().is_empty() => Zeroizing::new(text),
            _ => {
                let failure = Failure::new(exit::CONFIG, "there is no connection string");
                return Err(failure.remedy(remedy));
            }
        },
    };
    let connection: ConnectionString = text.parse().map_err(|error| {
        Failure::new(exit::CONFIG, "the connection string cannot be used").why(error).remedy(remedy)
    })?;
    let proxy = proxy::Choice::from(&login.proxy);
    let proxy = proxy.url_for(connection.host(), connection.port())?;
    let mut builder = ServiceClient::builder(connection);
    if let Some(url) = proxy {
        builder = builder.proxy(&url).map_err(|error| failed(&error))?;
    }
    if let Some(path) = &login.trusted_cert {
        builder = builder.trusted_certificates(read(path)?);
    }
    builder.build().map_err(|error| failed(&error))
}

/// The most items of a page.
const MOST_OF_A_PAGE: usize = 1000;

/// How many items to ask for at a time, of which the first `top` are shown. No more are sent than
/// that, if they fit into a page.
fn page_size(top: Option<usize>) -> Option<u32> {
    let size = top?.clamp(1, MOST_OF_A_PAGE);
    u32::try_from(size).ok()
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))
}

/// What the service, or the way to it, has against it.
fn failed(error: &Error) -> Failure {
    let (code, stage) = match error {
        Error::Service(service) => match service.status {
            401 | 403 => (exit::CREDENTIALS, "authenticate"),
            429 | 500.. => (exit::UNAVAILABLE, "request"),
            _ => (exit::REFUSED, "request"),
        },
        Error::Unreachable { .. } => (exit::UNREACHABLE, "connect"),
        Error::TimedOut { .. } => (exit::UNREACHABLE, "connect"),
        Error::Tls { .. } => (exit::TLS, "tls"),
        Error::Malformed { .. } | Error::TooLarge { .. } => (exit::PROTOCOL, "request"),
        _ => (exit::CONFIG, "config"),
    };
    let failure = Failure::new(code, "the service did not do it").at(stage).remedy(error.hint());
    match error.service() {
        Some(service) => failure.why(error).service(service),
        None => failure.why(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_asked_for_than_is_shown() {
        for (top, size) in
            [(None, None), (Some(0), Some(1)), (Some(7), Some(7)), (Some(5000), Some(1000))]
        {
            assert_eq!(page_size(top), size);
        }
    }
}
