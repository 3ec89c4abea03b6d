//! Calls the webhooks of custom allocations (`wire-protocol.md` section 7.5), by blocking HTTP on
//! the runtime's threads for such work.

use crate::config::{ConfigError, EmulatorConfig};
use crate::server::now;
use crate::service::{Service, WebhookAnswer, WebhookCall};
use core::time::Duration;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::io::Read as _;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Semaphore, watch};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The most calls at a time. Others wait for their turn.
const MOST_CALLS: usize = 32;
/// The largest answer that is read.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;

/// What a configuration may allow a webhook. One that never answers must not keep its place among
/// the calls for ever.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

/// Who calls. The TLS settings are made for the first call: the system's certificates take time.
#[derive(Debug)]
pub(crate) struct Caller {
    timeout: Duration,
    /// DER.
    trusted: Vec<Vec<u8>>,
    agent: OnceLock<Agent>,
}

impl Caller {
    /// A caller with the settings of `config`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::BadWebhookTimeout`] when the time allowed is none, or longer than any device
    /// would wait; [`ConfigError::BadWebhookTrust`] when the trusted certificates are not PEM.
    pub(crate) fn new(config: &EmulatorConfig) -> Result<Self, ConfigError> {
        if !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&config.webhook_timeout) {
            return Err(ConfigError::BadWebhookTimeout);
        }
        let mut trusted = Vec::new();
        if let Some(pem) = &config.webhook_trusted_certificates {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|_| ConfigError::BadWebhookTrust)?;
                trusted.push(certificate.to_vec());
            }
            if trusted.is_empty() {
                return Err(ConfigError::BadWebhookTrust);
            }
        }
        Ok(Self { timeout: config.webhook_timeout, trusted, agent: OnceLock::new() })
    }

    fn agent(&self) -> &Agent {
        self.agent.get_or_init(|| {
            let system = rustls_native_certs::load_native_certs();
            for error in &system.errors {
                tracing::warn!(%error, "the system's trusted certificates cannot all be read");
            }
            let ours = self.trusted.iter().map(|der| Certificate::from_der(der).to_owned());
            let systems = system.certs.iter().map(|der| Certificate::from_der(der).to_owned());
            let roots: Vec<Certificate<'static>> = ours.chain(systems).collect();
            let tls = TlsConfig::builder()
                .root_certs(RootCerts::new_with_certs(&roots))
                .unversioned_rustls_crypto_provider(Arc::new(
                    rustls::crypto::ring::default_provider(),
                ))
                .build();
            Agent::config_builder()
                .tls_config(tls)
                .timeout_global(Some(self.timeout))
                .http_status_as_error(false)
                .max_redirects(0)
                // A webhook of a local service is near: no proxy of the environment is between.
                .proxy(None)
                .user_agent("dps-emulator")
                .build()
                .new_agent()
        })
    }

    fn call(&self, call: &WebhookCall) -> WebhookAnswer {
        let request = self.agent().post(&call.url).header("Content-Type", "application/json");
        let failed = |error: &dyn core::fmt::Display| {
            tracing::warn!(url = %call.place(), %error, "a webhook gave no answer");
            WebhookAnswer::Unreachable
        };
        match request.send(call.body.as_bytes()) {
            Ok(mut response) => {
                let status = response.status().as_u16();
                let mut body = Vec::new();
                let mut reader = response.body_mut().as_reader().take(MAX_ANSWER_BYTES);
                match reader.read_to_end(&mut body) {
                    Ok(_) => WebhookAnswer::Response { status, body },
                    Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                        WebhookAnswer::TimedOut
                    }
                    Err(error) => failed(&error),
                }
            }
            Err(ureq::Error::Timeout(_)) => WebhookAnswer::TimedOut,
            // The error repeats the URL, which may hold a key.
            Err(ureq::Error::BadUri(_)) => failed(&"the URL cannot be used"),
            Err(error) => failed(&error),
        }
    }
}

/// Calls what is to be called until the sender of `stop` is dropped.
pub(crate) async fn serve(service: Arc<Service>, caller: Caller, mut stop: watch::Receiver<()>) {
    let caller = Arc::new(caller);
    let places = Arc::new(Semaphore::new(MOST_CALLS));
    loop {
        tokio::select! {
            biased;
            _ = stop.changed() => return,
            () = service.webhook_call_waiting() => {}
        }
        while let Some(call) = service.next_webhook_call() {
            let place = tokio::select! {
                biased;
                _ = stop.changed() => return,
                place = places.clone().acquire_owned() => place,
            };
            // A call cannot be broken off, and must not keep a service that has ended: the next one
            // would find the state file in use.
            let (service, caller) = (Arc::downgrade(&service), caller.clone());
            tokio::task::spawn_blocking(move || {
                let answer = caller.call(&call);
                if let Some(service) = service.upgrade() {
                    service.answer_webhook_call(&call.call_id, &answer, now());
                }
                drop(place);
            });
        }
    }
}
