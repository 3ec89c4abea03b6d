//! The emulator's own certificate authority and its server certificate (`wire-protocol.md` section 9,
//! checklist item 1). Both are made up at every start, but for the authority that a state file keeps.

mod authority;
mod leaf;
mod possession;

use crate::config::EmulatorConfig;
use crate::hub::Hubs;
#[cfg(test)]
use crate::random::Random;
pub(crate) use authority::Authority;
use core::time::Duration;
use leaf::Leaf;
use possession::ProofOfPossession;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose};
use rustls::ServerConfig;
use std::sync::Arc;

/// Names that are always in the server certificate: this machine's own, and the service's, for
/// clients whose name resolution is redirected here.
const SERVER_NAMES: [&str; 5] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "global.azure-devices-provisioning.net",
    "*.azure-devices-provisioning.net",
];
/// Clocks of devices and of this machine may differ.
const VALID_BEFORE_START: Duration = Duration::from_secs(3600);
/// Longer than an emulator runs, shorter than the 398 days that some TLS libraries allow.
const VALID_AFTER_START: Duration = Duration::from_secs(365 * 86_400);

/// The server certificate could not be made. In practice: a server name is not ASCII.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot make the server certificate (serverNames: {names:?}): {message}")]
#[non_exhaustive]
pub struct CertificateError {
    names: Vec<String>,
    message: String,
}

impl CertificateError {
    /// For this configuration.
    pub(crate) fn new(config: &EmulatorConfig, reason: impl core::fmt::Display) -> Self {
        Self { names: config.server_names.clone(), message: reason.to_string() }
    }
}

/// What TLS needs on both sides.
pub(crate) struct Certificates {
    /// What clients must trust, in PEM.
    pub(crate) ca_pem: String,
    /// What the listener uses. Keys and certificates live in here only.
    pub(crate) server: Arc<ServerConfig>,
    leaf: Arc<Leaf>,
}

impl Certificates {
    /// Whether the names of a configuration can be in a certificate.
    pub(crate) fn check_names(config: &EmulatorConfig) -> Result<(), CertificateError> {
        let names = own_names(config).into_iter().chain(hub_names(config)).collect();
        let params = server_params(names, Duration::ZERO, Duration::ZERO);
        params.map(drop).map_err(|error| CertificateError::new(config, error))
    }

    /// Makes a server certificate, P-256, valid from an hour before `now` (since
    /// 1970-01-01T00:00:00Z), that `authority` signs.
    pub(crate) fn new(
        config: &EmulatorConfig,
        authority: Authority,
        now: Duration,
    ) -> Result<Self, CertificateError> {
        let failed = |message: String| CertificateError::new(config, message);
        let ca_pem = authority.pem().to_owned();
        let leaf = Leaf::new(authority, own_names(config), hub_names(config), now)
            .map_err(|error| failed(error.to_string()))?;
        let leaf = Arc::new(leaf);
        // The provider is passed by hand: a process-wide one would be the program's to choose.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_client_cert_verifier(Arc::new(ProofOfPossession::new()))
            .with_cert_resolver(leaf.clone());
        Ok(Self { ca_pem, server: Arc::new(server), leaf })
    }

    /// From now on the server certificate has the names of all these hubs, also of those that come
    /// later.
    pub(crate) fn follow(&self, hubs: &Arc<Hubs>) {
        self.leaf.follow(hubs.clone());
    }
}

/// Devices go on to their hub by its own name.
fn hub_names(config: &EmulatorConfig) -> Vec<String> {
    config.hubs.iter().map(|hub| hub.host_name.clone()).collect()
}

/// The names that the service itself is called by.
fn own_names(config: &EmulatorConfig) -> Vec<String> {
    let mut names: Vec<String> = SERVER_NAMES.map(str::to_owned).to_vec();
    if !config.address.is_unspecified() {
        names.push(config.address.to_string());
    }
    names.extend(config.server_names.iter().cloned());
    names
}

fn server_params(
    mut names: Vec<String>,
    now: Duration,
    until: Duration,
) -> Result<CertificateParams, rcgen::Error> {
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.to_ascii_lowercase()));

    let mut params = CertificateParams::new(names)?;
    set_subject(&mut params, "dps emulator");
    set_validity(&mut params, now, until);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn set_subject(params: &mut CertificateParams, name: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
}

/// Until when what is made now is valid at most.
fn valid_until(now: Duration) -> Duration {
    Duration::from_secs((now + VALID_AFTER_START).as_secs())
}

fn set_validity(params: &mut CertificateParams, now: Duration, until: Duration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(VALID_BEFORE_START);
    params.not_after = epoch + until;
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    const NOW: Duration = Duration::from_secs(1_790_000_000);

    fn generate(config: &EmulatorConfig) -> Result<Certificates, CertificateError> {
        let authority = Authority::generate(&mut Random::from_seed([1; 32]), NOW).unwrap();
        Certificates::new(config, authority, NOW)
    }

    fn verify(config: &EmulatorConfig, name: &'static str, at: Duration) -> bool {
        let made = generate(config).unwrap();
        is_good_for(&made, name, at)
    }

    fn is_good_for(made: &Certificates, name: &'static str, at: Duration) -> bool {
        let leaf = made.leaf.certified();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(made.ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let name = ServerName::try_from(name).unwrap();
        verifier
            .verify_server_cert(&leaf.cert[0], &[], &name, &[], UnixTime::since_unix_epoch(at))
            .is_ok()
    }

    #[test]
    fn the_server_certificate_covers_its_names_and_no_others() {
        let server_names = vec!["dps.test".to_owned(), "10.9.8.7".to_owned()];
        let config = EmulatorConfig { server_names, ..EmulatorConfig::default() };
        for name in [
            "localhost",
            "127.0.0.1",
            "::1",
            "global.azure-devices-provisioning.net",
            "contosodps.azure-devices-provisioning.net",
            "dps.test",
            "10.9.8.7",
        ] {
            assert!(verify(&config, name, NOW), "{name}");
        }
        for name in ["example.com", "127.0.0.2", "a.b.azure-devices-provisioning.net"] {
            assert!(!verify(&config, name, NOW), "{name}");
        }
    }

    #[test]
    fn a_hub_that_is_linked_later_is_in_the_certificate_at_once() {
        let config = EmulatorConfig::default();
        let made = generate(&config).unwrap();
        let hubs = Arc::new(Hubs::new(Duration::ZERO, Arc::default()));
        hubs.add("contoso-hub.localhost");
        made.follow(&hubs);
        assert!(!is_good_for(&made, "late.test", NOW));
        let before = made.leaf.certified();
        assert!(Arc::ptr_eq(&before, &made.leaf.certified()), "it is made when it must be");
        hubs.add("Late.test");
        for name in ["late.test", "contoso-hub.localhost", "localhost"] {
            assert!(is_good_for(&made, name, NOW), "{name}");
        }
    }

    #[test]
    fn a_kept_authority_signs_what_whoever_trusts_it_accepts_and_no_longer_than_it_is_valid() {
        let config = EmulatorConfig::default();
        let day = Duration::from_secs(86_400);
        let first = Authority::generate(&mut Random::from_seed([1; 32]), NOW).unwrap();
        let row = first.change().row.unwrap();
        let first = Certificates::new(&config, first, NOW).unwrap();
        let later = NOW + 300 * day;
        let kept = Authority::read(&row, later).unwrap();
        let second = Certificates::new(&config, kept, later).unwrap();
        assert_eq!(first.ca_pem, second.ca_pem);
        assert!(is_good_for(&second, "localhost", later));
        assert!(is_good_for(&second, "localhost", NOW + 364 * day));
        assert!(!is_good_for(&second, "localhost", NOW + 366 * day));
    }

    #[test]
    fn a_hub_that_is_unlinked_is_in_it_until_its_last_device_has_gone() {
        use crate::hub::{HubIdentity, Twin};
        let config = EmulatorConfig::default();
        let made = generate(&config).unwrap();
        let hubs = Arc::new(Hubs::new(Duration::ZERO, Arc::default()));
        made.follow(&hubs);
        for name in ["a.test", "b.test"] {
            hubs.add(name);
            hubs.assign(name, "dev", HubIdentity::Certificates(Vec::new()), Twin::default());
        }
        hubs.unlink("A.test");
        assert!(is_good_for(&made, "a.test", NOW));
        assert!(hubs.remove("a.TEST", "dev") && hubs.remove("b.test", "dev"));
        assert!(!is_good_for(&made, "a.test", NOW));
        assert!(is_good_for(&made, "b.test", NOW), "it is linked");
        hubs.unlink("b.test");
        assert!(!is_good_for(&made, "b.test", NOW) && hubs.names().is_empty());
    }

    #[test]
    fn it_is_valid_for_clocks_an_hour_off_and_for_a_year() {
        let config = EmulatorConfig::default();
        let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
        assert!(verify(&config, "localhost", NOW - hour));
        assert!(verify(&config, "localhost", NOW + 364 * day));
        assert!(!verify(&config, "localhost", NOW - 2 * hour));
        assert!(!verify(&config, "localhost", NOW + 366 * day));
    }

    #[test]
    fn a_name_that_cannot_be_in_a_certificate_is_named_in_the_error() {
        let server_names = vec!["gerät.test".to_owned()];
        let config = EmulatorConfig { server_names, ..EmulatorConfig::default() };
        for error in [generate(&config).err(), Certificates::check_names(&config).err()] {
            let message = error.unwrap().to_string();
            assert!(message.contains("gerät.test"), "{message}");
        }
        assert_eq!(Certificates::check_names(&EmulatorConfig::default()), Ok(()));
    }

    #[test]
    fn no_process_wide_provider_is_installed() {
        let config = EmulatorConfig::default();
        generate(&config).unwrap();
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }
}
