//! Requests and answers over HTTPS (`wire-protocol.md` section 7.2).

use crate::collection::Collection;
use crate::connection_string::ConnectionString;
use crate::enrollment::{EnrollmentGroup, IndividualEnrollment};
use crate::error::{Error, ServiceError};
use crate::local::LocalService;
use crate::registration::Registrations;
use core::fmt;
use core::time::Duration;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use ureq::http::{HeaderMap, Method, Request};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Proxy, ProxyProtocol};

/// The version of the API that this client speaks.
const API_VERSION: &str = "2021-10-01";
/// How long a token is good. Each request has a new one.
const TOKEN_SECONDS: u64 = 3600;
/// The largest answer unless it is set.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Settings of a client.
#[derive(Debug)]
pub struct Builder {
    connection: ConnectionString,
    timeout: Duration,
    trusted: Option<String>,
    proxy: Option<Proxy>,
    most_bytes: u64,
}

impl Builder {
    /// How long a request may take altogether. Default 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Trusts these certificates, in PEM, instead of the system's.
    #[must_use]
    pub fn trusted_certificates(mut self, pem: impl Into<String>) -> Self {
        self.trusted = Some(pem.into());
        self
    }

    /// Goes through this proxy, `http://[user:password@]host:port` or `https://...`, whatever the
    /// service's host is. Without it, requests go directly: this crate looks at no environment.
    ///
    /// # Errors
    ///
    /// [`Error::BadProxy`], which does not repeat the URL.
    pub fn proxy(mut self, url: &str) -> Result<Self, Error> {
        let proxy = Proxy::new(url.trim()).map_err(|_| Error::BadProxy)?;
        if !matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) {
            return Err(Error::BadProxy);
        }
        self.proxy = Some(proxy);
        Ok(self)
    }

    /// The largest answer that is taken, in bytes. Default 64 MB. Lists whose pages are larger are
    /// read in smaller pages.
    #[must_use]
    pub fn largest_answer(mut self, bytes: u64) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// A client with these settings. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`Error::TrustAnchors`] when there is no certificate to trust.
    pub fn build(self) -> Result<ServiceClient, Error> {
        let none = |problem| Error::TrustAnchors { problem };
        let roots: Vec<Certificate<'static>> = match &self.trusted {
            Some(pem) => CertificateDer::pem_slice_iter(pem.as_bytes())
                .map(|item| item.map(|der| Certificate::from_der(&der).to_owned()))
                .collect::<Result<_, _>>()
                .map_err(|_| none("a certificate in PEM is broken"))?,
            None => {
                let found = rustls_native_certs::load_native_certs().certs;
                found.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
            }
        };
        if roots.is_empty() {
            return Err(none(match self.trusted {
                Some(_) => "there is no certificate in PEM",
                None => "this system has none",
            }));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(self.timeout))
            .http_status_as_error(false)
            .https_only(true)
            .max_redirects(0)
            // Also when there is none: the agent would look at the environment.
            .proxy(self.proxy)
            .user_agent(concat!("dps-service/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(ServiceClient { connection: self.connection, agent, most_bytes: self.most_bytes })
    }
}

/// A client of the service API. Every call blocks until the service has answered; calls from
/// several threads go side by side.
pub struct ServiceClient {
    connection: ConnectionString,
    agent: Agent,
    most_bytes: u64,
}

impl fmt::Debug for ServiceClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceClient")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

/// An answer that is no refusal.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::Malformed { problem: error.to_string() })
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        Some(self.headers.get(name)?.to_str().ok()?.to_owned()).filter(|text| !text.is_empty())
    }
}

impl ServiceClient {
    /// Settings for a client of the service that the connection string names.
    pub fn builder(connection: ConnectionString) -> Builder {
        Builder {
            connection,
            timeout: Duration::from_secs(30),
            trusted: None,
            proxy: None,
            most_bytes: MOST_BYTES,
        }
    }

    /// The individual enrollments.
    pub fn enrollments(&self) -> Collection<'_, IndividualEnrollment> {
        Collection::new(self)
    }

    /// The enrollment groups.
    pub fn enrollment_groups(&self) -> Collection<'_, EnrollmentGroup> {
        Collection::new(self)
    }

    /// The registration records.
    pub fn registrations(&self) -> Registrations<'_> {
        Registrations::new(self)
    }

    /// What only libdps's local service has, and Azure's does not.
    pub fn local(&self) -> LocalService<'_> {
        LocalService::new(self)
    }

    /// Sends a request. `path` starts with a slash, its ids encoded.
    pub(crate) fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<Answer, Error> {
        self.ask(method, &format!("{path}?api-version={API_VERSION}"), headers, body)
    }

    /// Sends a request to a path with its query.
    pub(crate) fn ask(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<Answer, Error> {
        if names_nothing(target) {
            return Err(Error::EmptyName);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let token = self.connection.token(now.saturating_add(TOKEN_SECONDS));
        let host = self.connection.host_name();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://{host}{target}"))
            .header("Authorization", token.as_str())
            .header("Accept", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let malformed = |problem: String| Error::Malformed { problem };
        let sent = match body {
            Some(body) => {
                let body =
                    serde_json::to_vec(body).map_err(|error| malformed(error.to_string()))?;
                let request = request.header("Content-Type", "application/json; charset=utf-8");
                self.agent.run(request.body(body).map_err(|error| malformed(error.to_string()))?)
            }
            None => self.agent.run(request.body(()).map_err(|error| malformed(error.to_string()))?),
        };
        let mut response = sent.map_err(|error| self.failed(&error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        let mut reader = response.body_mut().as_reader().take(self.most_bytes.saturating_add(1));
        reader.read_to_end(&mut body).map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => Error::TimedOut { host: host.to_owned() },
            _ => Error::Unreachable { host: host.to_owned(), problem: error.to_string() },
        })?;
        if u64::try_from(body.len()).is_ok_and(|length| length > self.most_bytes) {
            return Err(Error::TooLarge { most_bytes: self.most_bytes });
        }
        match status {
            200..=299 => Ok(Answer { headers: response.headers().clone(), body }),
            _ => Err(Error::Service(ServiceError::read(status, &body))),
        }
    }

    fn failed(&self, error: &ureq::Error) -> Error {
        let host = self.connection.host_name().to_owned();
        let problem = error.to_string();
        match error {
            ureq::Error::Timeout(_) => Error::TimedOut { host },
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) => Error::Tls { host, problem },
            // TLS fails inside of reading and writing.
            ureq::Error::Io(error)
                if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) =>
            {
                Error::Tls { host, problem }
            }
            _ => Error::Unreachable { host, problem },
        }
    }
}

/// Whether a part of a path is empty. It stands where a name should, and without it the path is that
/// of all there are.
fn names_nothing(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    path.split('/').skip(1).any(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_about_no_name_is_not_sent() {
        let text = "HostName=127.0.0.1:1;SharedAccessKeyName=p;\
            SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let client = ServiceClient::builder(text.parse().unwrap()).build().unwrap();
        let local = client.local();
        for error in [
            local.faults().remove("").unwrap_err(),
            local.unlink_hub("").unwrap_err(),
            local.device("a.test", "").unwrap_err(),
            client.enrollments().delete("", None).unwrap_err(),
            client.enrollment_groups().attestation_mechanism("").unwrap_err(),
            client.registrations().delete("", None).unwrap_err(),
        ] {
            assert!(matches!(error, Error::EmptyName), "{error}");
        }
        // These go out, to nobody.
        for error in [local.faults().clear().unwrap_err(), local.faults().remove("a").unwrap_err()]
        {
            assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        }
    }
}
