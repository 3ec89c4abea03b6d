//! What options do to a client, and when they may be set (`c-abi.md` sections 2.1 and 2.3). Their
//! order never matters: all are read when a registration begins.

use super::{ERROR, OK, PROV_DEVICE_RESULT, Phase, Session, State};
use crate::failure::Failure;
use crate::options::Setting;
use crate::proof::Proof;
use crate::security::security;
use core::time::Duration;

impl Session {
    /// Sets an option.
    pub(crate) fn set_option(&self, setting: Setting) -> PROV_DEVICE_RESULT {
        let mut state = self.lock();
        state.trace(format_args!("option {setting:?}"));
        if let Err(failure) = state.set(setting) {
            return state.fail(failure);
        }
        // A worker that sleeps for the old settings looks at the new ones.
        state.wake();
        self.changed.notify_all();
        OK
    }
}

impl State {
    fn set(&mut self, setting: Setting) -> Result<(), Failure> {
        match setting {
            Setting::RegistrationId(id) => {
                self.settable("registration_id", self.registration_id.is_some())?;
                self.registration_id = Some(id);
            }
            Setting::LogTrace(on) => self.settings.trace = on,
            Setting::Timeout(seconds) => {
                let limit = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
                self.settings.policy.request_timeout = limit;
                self.timeout_changed = true;
            }
            Setting::TrustedCerts(pem) => {
                self.settings.trusted_certs = Some(pem);
                self.trust_changed = true;
            }
            Setting::Certificate(pem) => {
                self.x509_settable("x509certificate", self.x509.certificate.is_some())?;
                self.x509.certificate = Some(pem);
                security().offer_x509(&self.x509);
            }
            Setting::PrivateKey(pem) => {
                self.x509_settable("x509privatekey", self.x509.key.is_some())?;
                self.x509.key = Some(pem);
                security().offer_x509(&self.x509);
            }
            Setting::TlsVersions(versions) => {
                self.settable("tls_version", false)?;
                self.settings.tls_versions = versions;
            }
            Setting::Proxy(proxy) => {
                self.settings.proxy = Some(proxy);
                self.proxy_changed = true;
            }
            Setting::DoWorkFrequency(pause) => {
                self.settings.pass_interval = Duration::from_millis(pause.into());
            }
            Setting::NoEffect(_) => {}
        }
        Ok(())
    }

    /// Whether an option may be set that may only be set between registrations, and perhaps not
    /// again.
    fn settable(&self, name: &str, used: bool) -> Result<(), Failure> {
        let refuse = |reason: &str| Err(Failure::usage(ERROR, format!("{name} {reason}")));
        if self.phase != Phase::Ready {
            return refuse("cannot be set while a registration is under way");
        }
        if used {
            return refuse("was set, or used by a registration, before; make a new handle");
        }
        Ok(())
    }

    fn x509_settable(&self, name: &str, used: bool) -> Result<(), Failure> {
        match self.target.proof {
            Proof::X509 => self.settable(name, used),
            Proof::X509Plugin(_) => {
                let reason = "cannot be set: the certificate is the plug-in's";
                Err(Failure::usage(ERROR, format!("{name} {reason}")))
            }
            Proof::SymmetricKey { .. } | Proof::KeyPlugin(_) | Proof::Tpm(_) => {
                let reason = "is for SECURE_DEVICE_TYPE_X509; this client proves itself with a key";
                Err(Failure::usage(ERROR, format!("{name} {reason}")))
            }
        }
    }
}
