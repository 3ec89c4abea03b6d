//! The emulator's own certificate authority and its server certificate, made up at every start
//! (`wire-protocol.md` section 9, checklist item 1).

mod leaf;
mod possession;

use crate::config::EmulatorConfig;
use crate::hub::Hubs;
use crate::random::Random;
use core::time::Duration;
use leaf::Leaf;
use possession::ProofOfPossession;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
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

/// What TLS needs on both sides.
pub(crate) struct Certificates {
    /// What clients must trust, in PEM.
    pub(crate) ca_pem: String,
    /// What the listener uses. Keys and certificates live in here only.
    pub(crate) server: Arc<ServerConfig>,
    leaf: Arc<Leaf>,
}

impl Certificates {
    /// Makes a certificate authority and a server certificate, both P-256, valid from an hour
    /// before `now` (since 1970-01-01T00:00:00Z).
    pub(crate) fn generate(
        config: &EmulatorConfig,
        random: &mut Random,
        now: Duration,
    ) -> Result<Self, CertificateError> {
        let failed =
            |message: String| CertificateError { names: config.server_names.clone(), message };
        let authority = authority(random, now).map_err(|error| failed(error.to_string()))?;
        let ca_pem = authority.pem();
        // Devices go on to their hub by its own name.
        let hubs = config.hubs.iter().map(|hub| hub.host_name.clone());
        let leaf = Leaf::new(authority, own_names(config), hubs.collect(), now)
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

fn authority(
    random: &mut Random,
    now: Duration,
) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    // A name of its own: several emulators' authorities can be trusted side by side.
    let name = format!("dps emulator CA {}", random.guid());
    set_subject(&mut params, &name);
    set_validity(&mut params, now);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
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

fn server_params(mut names: Vec<String>, now: Duration) -> Result<CertificateParams, rcgen::Error> {
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.to_ascii_lowercase()));

    let mut params = CertificateParams::new(names)?;
    set_subject(&mut params, "dps emulator");
    set_validity(&mut params, now);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn set_subject(params: &mut CertificateParams, name: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
}

fn set_validity(params: &mut CertificateParams, now: Duration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(VALID_BEFORE_START);
    params.not_after = epoch + (now + VALID_AFTER_START);
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

    fn verify(config: &EmulatorConfig, name: &'static str, at: Duration) -> bool {
        let made = Certificates::generate(config, &mut Random::from_seed([1; 32]), NOW).unwrap();
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
        let made = Certificates::generate(&config, &mut Random::from_seed([1; 32]), NOW).unwrap();
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
    fn a_hub_that_is_unlinked_is_in_it_until_its_last_device_has_gone() {
        use crate::hub::{HubIdentity, Twin};
        let config = EmulatorConfig::default();
        let made = Certificates::generate(&config, &mut Random::from_seed([1; 32]), NOW).unwrap();
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
        let made = Certificates::generate(&config, &mut Random::from_seed([1; 32]), NOW);
        let message = made.err().unwrap().to_string();
        assert!(message.contains("gerät.test"), "{message}");
    }

    #[test]
    fn no_process_wide_provider_is_installed() {
        let config = EmulatorConfig::default();
        Certificates::generate(&config, &mut Random::from_seed([1; 32]), NOW).unwrap();
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }
}
