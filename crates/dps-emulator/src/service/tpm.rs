//! Devices with a TPM (`wire-protocol.md` sections 3.5, 4.5 and 5).
//!
//! A device that shows its endorsement key gets a challenge: a key, the nonce, that only its TPM can
//! recover. A token signed with the nonce is its proof, once: it lets the device register one time,
//! and after that only poll. Whoever presents it again is challenged again.
//!
//! What a nonce is bound to is the storage root key that the device showed with this challenge, so
//! a TPM that was cleared in between makes no difference.
//!
//! Endorsement keys are public, so anybody can ask for a challenge in a device's name. That must not
//! harm the device: each storage root key that is shown has a nonce of its own, the latest few of
//! them, and what is wrapped for the device is wrapped for the key of the nonce that was answered.

use super::refusal::Refusal;
use super::{Credentials, DeviceIdentity, Reply, Service, identity};
use crate::model::{RegistrationRecord, device_key};
use crate::random::Random;
use crate::sas::{SasError, SasToken};
use crate::tpm::{ActivationKey, PublicKey, PublicKeyError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::time::Duration;
use dps_core::wire::{DeviceRegistration, TpmAttestation, TpmResult};
use dps_core::{RegistrationId, SymmetricKey};
use std::collections::HashMap;

/// How long a challenge can be answered. TPMs take seconds.
const NONCE_LIFETIME: Duration = Duration::from_secs(300);
/// The most challenges of a device that wait for an answer; then the oldest goes.
const MOST_NONCES: usize = 8;
/// The most that goes along with a key, so that two SASL frames are enough for a challenge.
const URI_BYTES: usize = 128;

/// Both keys of a TPM.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    endorsement: PublicKey,
    storage_root: PublicKey,
}

impl Keys {
    /// Reads both as they are marshalled.
    pub(super) fn parse(endorsement: &[u8], storage_root: &[u8]) -> Result<Self, Refusal> {
        let bad = |which| move |problem| Refusal::BadTpmKey(which, problem);
        Ok(Self {
            endorsement: PublicKey::parse(endorsement).map_err(bad("endorsementKey"))?,
            storage_root: PublicKey::parse(storage_root).map_err(bad("storageRootKey"))?,
        })
    }

    fn from_json(tpm: &TpmAttestation) -> Result<Self, Refusal> {
        let decoded = |text: &Option<String>, which| {
            let text = text.as_deref().unwrap_or_default();
            let bytes = STANDARD.decode(text).ok();
            bytes.ok_or(Refusal::BadTpmKey(which, PublicKeyError::Malformed))
        };
        Self::parse(
            &decoded(&tpm.endorsement_key, "endorsementKey")?,
            &decoded(&tpm.storage_root_key, "storageRootKey")?,
        )
    }
}

/// The TPMs that have shown themselves, by device. Only devices with an enrollment of their own
/// have one here, so there are no more than those.
#[derive(Debug, Default)]
pub(super) struct Tpms(HashMap<String, Tpm>);

#[derive(Debug, Default)]
struct Tpm {
    /// Of the challenges that are not answered, the latest last.
    nonces: Vec<Nonce>,
    /// The latest that was: polls go on with its token.
    accepted: Option<Nonce>,
}

#[derive(Debug)]
struct Nonce {
    key: SymmetricKey,
    made: Duration,
    /// What the device showed for it.
    keys: Keys,
}

impl Nonce {
    fn has_signed(&self, token: &SasToken) -> bool {
        token.verify_signature(&self.key).is_ok()
    }
}

impl Tpms {
    fn get(&mut self, id: &RegistrationId) -> Option<&mut Tpm> {
        self.0.get_mut(&device_key(id))
    }

    /// A new nonce for the TPM, as a blob.
    fn challenge(
        &mut self,
        identity: &DeviceIdentity,
        keys: Keys,
        random: &mut Random,
        now: Duration,
    ) -> Vec<u8> {
        let id = &identity.registration_id;
        let uri = uri(&format!("{}/registrations/{id}", identity.id_scope));
        let made = ActivationKey::generate(&keys.endorsement, &keys.storage_root, &uri, random);
        let nonces = &mut self.0.entry(device_key(id)).or_default().nonces;
        nonces.retain(|nonce| nonce.keys.storage_root != keys.storage_root);
        if nonces.len() >= MOST_NONCES {
            nonces.remove(0);
        }
        nonces.push(Nonce { key: made.key().clone(), made: now, keys });
        made.blob().to_vec()
    }

    /// Forgets what a TPM has shown and proven: the device is to have another one, or none.
    pub(super) fn forget(&mut self, device_key: &str) {
        self.0.remove(device_key);
    }

    /// Whether this is the token of a device that has proven itself with it before.
    pub(super) fn has_accepted(&mut self, id: &RegistrationId, token: &SasToken) -> bool {
        let accepted = self.get(id).and_then(|tpm| tpm.accepted.as_ref());
        accepted.is_some_and(|nonce| nonce.has_signed(token))
    }
}

/// What a token is.
enum Token {
    /// The answer to a challenge, of the TPM with this endorsement key.
    Answer(PublicKey),
    /// One that was good once, when these keys were shown.
    Old(Keys),
}

impl Tpm {
    /// Looks at a token, and takes the answer to a challenge, which is good only once.
    fn take(&mut self, token: &SasToken, now: Duration) -> Result<Token, Refusal> {
        if let Some(index) = self.nonces.iter().position(|nonce| nonce.has_signed(token)) {
            let nonce = self.nonces.remove(index);
            if nonce.made.saturating_add(NONCE_LIFETIME) <= now {
                return Ok(Token::Old(nonce.keys));
            }
            let endorsement = nonce.keys.endorsement.clone();
            self.accepted = Some(nonce);
            return Ok(Token::Answer(endorsement));
        }
        let accepted = self.accepted.as_ref().filter(|nonce| nonce.has_signed(token));
        accepted.map(|nonce| Token::Old(nonce.keys.clone())).ok_or(SasError::Signature.into())
    }
}

impl Service {
    /// A register request of a device that is enrolled with a TPM: none when it has proven itself,
    /// else the challenge.
    pub(super) fn challenge_register(
        &self,
        device: &DeviceIdentity,
        credentials: &Credentials,
        body: &[u8],
        now: Duration,
    ) -> Result<Option<Reply>, Refusal> {
        let shown = serde_json::from_slice::<DeviceRegistration>(body).ok();
        let shown = shown.and_then(|registration| registration.tpm);
        let Some(enrolled) = self.enrolled_tpm(device) else {
            // Who shows a TPM is not looked for among the groups.
            let is_unknown = self.model().enrollment(&device.registration_id).is_none();
            let has_no_other = matches!(credentials, Credentials::None);
            return match shown.is_some() && is_unknown && has_no_other {
                true => self.check_scope(device).and(Err(Refusal::NoEnrollment)),
                false => Ok(None),
            };
        };
        self.check_scope(device)?;
        identity::read_body(device, body)?;
        let keys = shown.map(|tpm| Keys::from_json(&tpm)).transpose()?;
        if keys.as_ref().is_some_and(|keys| keys.endorsement != enrolled) {
            return Err(Refusal::OtherEndorsementKey);
        }
        let token = match credentials {
            Credentials::ProvenTpm(_) => return Ok(None),
            Credentials::SasToken(token) => Some(SasToken::parse(token)?),
            Credentials::Certificates(_) if keys.is_none() => return Ok(None),
            Credentials::None | Credentials::Certificates(_) => None,
        };
        let mut state = self.state();
        let state = &mut *state;
        let known = state.tpms.get(&device.registration_id);
        let mut shown_before = None;
        if let (Some(token), Some(tpm)) = (&token, known) {
            token.verify_device(&self.settings.id_scope, device.registration_id.as_str())?;
            token.verify_expiry(now, self.settings.clock_skew)?;
            match tpm.take(token, now) {
                Ok(Token::Answer(_)) => return Ok(None),
                Ok(Token::Old(keys)) => shown_before = Some(keys),
                // It may be the answer to a challenge that is forgotten.
                Err(_) if keys.is_some() => {}
                Err(refusal) => return Err(refusal),
            }
        }
        // With a token that was good once, the keys may be those of its challenge.
        let keys = keys.or(shown_before).ok_or(Refusal::NoTpm)?;
        let blob = state.tpms.challenge(device, keys, &mut state.random, now);
        tracing::info!(registration_id = %device.registration_id, "challenged to prove its TPM");
        Ok(Some(Reply::challenge(&blob)))
    }

    /// The endorsement key of the device's own enrollment, if that is by TPM.
    fn enrolled_tpm(&self, identity: &DeviceIdentity) -> Option<PublicKey> {
        let model = self.model();
        model.enrollment(&identity.registration_id)?.attestation.endorsement_key().cloned()
    }

    /// Whether only a TPM proves the device.
    pub(crate) fn wants_tpm(&self, identity: &DeviceIdentity) -> bool {
        self.enrolled_tpm(identity).is_some()
    }

    /// A challenge in a protocol that has its own way for it: the blob.
    pub(crate) fn challenge_tpm(
        &self,
        identity: &DeviceIdentity,
        endorsement_key: &[u8],
        storage_root_key: &[u8],
        now: Duration,
    ) -> Result<Vec<u8>, Refusal> {
        self.check_scope(identity)?;
        let keys = Keys::parse(endorsement_key, storage_root_key)?;
        let enrollment = self.model().enrollment(&identity.registration_id).cloned();
        let enrollment = enrollment.ok_or(Refusal::NoEnrollment)?;
        let enrolled = enrollment.attestation.endorsement_key();
        if *enrolled.ok_or(Refusal::OtherAttestation)? != keys.endorsement {
            return Err(Refusal::OtherEndorsementKey);
        }
        let mut state = self.state();
        let state = &mut *state;
        Ok(state.tpms.challenge(identity, keys, &mut state.random, now))
    }

    /// The answer to [`challenge_tpm`](Self::challenge_tpm). Gives the connection's credentials,
    /// [`Credentials::ProvenTpm`].
    pub(crate) fn prove_tpm(
        &self,
        identity: &DeviceIdentity,
        token: &str,
        now: Duration,
    ) -> Result<Credentials, Refusal> {
        let token = SasToken::parse(token)?;
        token.verify_device(&self.settings.id_scope, identity.registration_id.as_str())?;
        token.verify_expiry(now, self.settings.clock_skew)?;
        let mut state = self.state();
        let tpm = state.tpms.get(&identity.registration_id).ok_or(Refusal::NoTpm)?;
        match tpm.take(&token, now)? {
            Token::Answer(endorsement_key) => Ok(Credentials::ProvenTpm(endorsement_key)),
            Token::Old(_) => Err(SasError::Signature.into()),
        }
    }

    /// The key for the device's hub, in a blob for the TPM that has proven itself.
    pub(super) fn hub_key_for_tpm(
        tpms: &mut Tpms,
        record: &RegistrationRecord,
        random: &mut Random,
    ) -> Option<TpmResult> {
        let keys = &tpms.get(&record.registration_id)?.accepted.as_ref()?.keys;
        let (key, hub) = (record.hub_key.as_ref()?, record.assigned_hub.as_deref()?);
        let device_id = record.device_id.as_deref().unwrap_or_default();
        let uri = uri(&format!("HostName={hub};DeviceId={device_id}"));
        let key = ActivationKey::wrap(key, &keys.endorsement, &keys.storage_root, &uri, random);
        Some(TpmResult { authentication_key: Some(STANDARD.encode(key.blob())) })
    }

    /// Whether a token that is not an answer to a challenge is good for a device with a TPM.
    pub(super) fn check_accepted(
        &self,
        identity: &DeviceIdentity,
        token: &SasToken,
    ) -> Result<(), Refusal> {
        match self.state().tpms.has_accepted(&identity.registration_id, token) {
            true => Ok(()),
            false => Err(SasError::Signature.into()),
        }
    }
}

/// Not longer than a blob may have it.
fn uri(text: &str) -> String {
    text.chars().filter(char::is_ascii).take(URI_BYTES).collect()
}

#[cfg(test)]
#[path = "tpm_tests.rs"]
mod tests;
