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
        (None, None) => {
            return Err(Failure::new(exit::CONFIG, "there is no connection string").remedy(remedy));
        }
    };
    let connection: ConnectionString = text.parse().map_err(|error| {
        Failure::new(exit::CONFIG, "the connection string cannot be used").why(error).remedy(remedy)
    })?;
    let mut builder = ServiceClient::builder(connection);
    if let Some(path) = &login.trusted_cert {
        builder = builder.trusted_certificates(read(path)?);
    }
    builder.build().map_err(|error| failed(&error))
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
        Error::Malformed { .. } => (exit::PROTOCOL, "request"),
        _ => (exit::CONFIG, "config"),
    };
    let failure = Failure::new(code, "the service did not do it").at(stage).remedy(error.hint());
    match error.service() {
        Some(service) => failure.why(error).service(service),
        None => failure.why(error),
    }
}
