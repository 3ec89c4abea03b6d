//! A local service with an enrollment of every kind, and devices that fit them.

use crate::{Authority, KeyKind, self_signed};
use dps_client::{
    Builder, Endpoint, Hsm, IdScope, Policy, ProvisioningClient, RegistrationId, SymmetricKey,
    Transport, TrustAnchors,
};
use dps_emulator::{
    AttestationConfig, Emulator, EmulatorConfig, EnrollmentGroupConfig, IndividualEnrollmentConfig,
};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::X509Hsm;
use std::time::Duration;

/// How a device proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The key of an enrollment of its own.
    KeyIndividual,
    /// A key derived from a group's.
    KeyGroup,
    /// The certificate of an enrollment of its own.
    X509Individual,
    /// A certificate from a group's authority, by way of an intermediate one.
    X509Group,
}

impl Proof {
    /// All there are.
    pub const ALL: [Proof; 4] =
        [Proof::KeyIndividual, Proof::KeyGroup, Proof::X509Individual, Proof::X509Group];

    /// The group that lets the device in.
    pub fn group(self) -> Option<&'static str> {
        match self {
            Proof::KeyIndividual | Proof::X509Individual => None,
            Proof::KeyGroup => Some("key-group"),
            Proof::X509Group => Some("x509-group"),
        }
    }
}

/// The service on free ports, and what its devices need.
#[derive(Debug)]
pub struct Fleet {
    /// The service.
    pub emulator: Emulator,
    own_certificate: String,
    intermediate: Authority,
}

impl Fleet {
    /// Starts it. Assignments take no time.
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts it with other settings.
    pub fn start_with(change: impl FnOnce(&mut EmulatorConfig)) -> Self {
        let root = Authority::root("Fleet root");
        let own_certificate = self_signed("x509-device", KeyKind::P256);
        let mut config = EmulatorConfig::default();
        config.mqtt_port = 0;
        config.retry_after_seconds = 1;
        config.assignment_delay = Duration::ZERO;
        let mut own = IndividualEnrollmentConfig::new(RegistrationId::new("x509-device").unwrap());
        own.attestation = AttestationConfig::with_client_certificate(own_certificate.as_str());
        let keyed = IndividualEnrollmentConfig::new(RegistrationId::new("key-device").unwrap());
        config.enrollments = vec![own, keyed];
        let mut certified = EnrollmentGroupConfig::new("x509-group");
        certified.attestation = AttestationConfig::with_signing_certificate(root.pem());
        config.enrollment_groups = vec![certified, EnrollmentGroupConfig::new("key-group")];
        change(&mut config);
        let emulator = Emulator::start(config).unwrap();
        Self { emulator, own_certificate, intermediate: root.intermediate("Fleet factory") }
    }

    /// Where this transport is spoken.
    pub fn endpoint(&self, transport: Transport) -> Endpoint {
        let address = match transport {
            Transport::Mqtt => self.emulator.mqtt_address(),
            Transport::Amqp => self.emulator.amqp_address(),
            Transport::Http | Transport::MqttWs | Transport::AmqpWs => {
                self.emulator.https_address()
            }
            other => panic!("{other:?} has no door"),
        };
        Endpoint::parse(&address.to_string()).unwrap()
    }

    /// A client of this transport with any security module.
    pub fn client(&self, transport: Transport, hsm: impl Hsm + 'static) -> Builder {
        ProvisioningClient::builder()
            .transport(transport)
            .endpoint(self.endpoint(transport))
            .id_scope(IdScope::new(self.emulator.id_scope()).unwrap())
            .trust_anchors(TrustAnchors::pem(self.emulator.ca_pem()))
            .policy(Policy { deadline: Some(Duration::from_secs(30)), ..Policy::default() })
            .hsm(hsm)
    }

    /// The client of the device `name` with this proof. Only groups take any name.
    pub fn device(&self, transport: Transport, proof: Proof, name: &str) -> Builder {
        match proof {
            Proof::KeyIndividual => self.client(transport, self.key_device()),
            Proof::KeyGroup => {
                let id = RegistrationId::new(name).unwrap();
                self.client(transport, SymmetricKeyHsm::derived(id, &self.group_key()))
            }
            Proof::X509Individual => {
                let key = KeyKind::P256.pem();
                let certificate = self.own_certificate.as_bytes();
                self.client(transport, X509Hsm::from_pem(certificate, key.as_bytes()).unwrap())
            }
            Proof::X509Group => {
                let pem = self.certified(name);
                self.client(transport, X509Hsm::from_pem(pem.as_bytes(), pem.as_bytes()).unwrap())
            }
        }
    }

    /// A certificate for a key of this kind with its issuer's behind it, in PEM, which the group
    /// with certificates lets in.
    pub fn chain(&self, name: &str, key: KeyKind) -> String {
        self.intermediate.device(name, key) + &self.intermediate.pem()
    }

    /// Chain and private key of the device `name` of the group with certificates, in one text.
    pub fn certified(&self, name: &str) -> String {
        self.chain(name, KeyKind::Rsa) + KeyKind::Rsa.pem()
    }

    /// The security module of the device with a key of its own.
    pub fn key_device(&self) -> SymmetricKeyHsm {
        let mut enrollments = self.emulator.enrollments().into_iter();
        let found = enrollments.find(|found| found.registration_id.as_str() == "key-device");
        let key = found.unwrap().symmetric_keys().unwrap().primary.clone();
        SymmetricKeyHsm::new(RegistrationId::new("key-device").unwrap(), key)
    }

    /// The key of the device `name` of the group with keys.
    ///
    /// # Panics
    ///
    /// When the name is none that a device can have.
    pub fn derived_key(&self, name: &str) -> SymmetricKey {
        self.group_key().derive(&RegistrationId::new(name).unwrap())
    }

    fn group_key(&self) -> SymmetricKey {
        let [primary, _] = self.group_keys();
        primary
    }

    /// Primary and secondary key of the group with keys.
    ///
    /// # Panics
    ///
    /// Never: the fleet has that group.
    pub fn group_keys(&self) -> [SymmetricKey; 2] {
        let mut groups = self.emulator.groups().into_iter();
        let found = groups.find(|group| group.enrollment_group_id == "key-group");
        let group = found.unwrap();
        let keys = group.symmetric_keys().unwrap();
        [keys.primary.clone(), keys.secondary.clone()]
    }
}
