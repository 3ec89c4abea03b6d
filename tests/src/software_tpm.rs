//! A TPM in software, which reverses what the service does for one (`wire-protocol.md` section 5.5).
//! It shares no code with the service, and checks all that a real one checks.

mod rsa;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use dps_core::{Attestation, Hsm, HsmError, Mac, RegistrationId, SymmetricKey, TpmKeys};
use hmac::{Hmac, Mac as _};
use rsa::PrivateKey;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// `wire-protocol.md` section 5.1.
const POLICY: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];

/// A TPM. Clones are the same one.
#[derive(Clone, Debug)]
pub struct SoftwareTpm(Arc<Mutex<State>>);

struct State {
    registration_id: Option<RegistrationId>,
    endorsement: PrivateKey,
    storage_root: PrivateKey,
    keys: TpmKeys,
    identity: Option<Vec<u8>>,
    activations: usize,
    fails_at: Option<usize>,
    takes: Duration,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("activations", &self.activations).finish_non_exhaustive()
    }
}

impl SoftwareTpm {
    /// The TPM of this number; its registration id is the one that its endorsement key gives.
    pub fn new(number: u64) -> Self {
        Self::with_storage_root(number, 0)
    }

    /// The same TPM after it was cleared so many times: each time it has another storage root key.
    pub fn with_storage_root(number: u64, cleared: u64) -> Self {
        let endorsement = PrivateKey::generate(&format!("endorsement {number}"));
        let storage_root = PrivateKey::generate(&format!("storage {number} {cleared}"));
        let keys = TpmKeys {
            endorsement_key: marshalled(0x0003_00b2, &POLICY, &endorsement.modulus_bytes()),
            storage_root_key: marshalled(0x0003_0472, &[], &storage_root.modulus_bytes()),
        };
        Self(Arc::new(Mutex::new(State {
            registration_id: None,
            endorsement,
            storage_root,
            keys,
            identity: None,
            activations: 0,
            fails_at: None,
            takes: Duration::ZERO,
        })))
    }

    /// With a registration id of the application's choice.
    #[must_use]
    pub fn named(self, id: &str) -> Self {
        self.0.lock().unwrap().registration_id = Some(RegistrationId::new(id).unwrap());
        self
    }

    /// That fails at the activation of this number, counted from 0.
    #[must_use]
    pub fn failing_at(self, activation: usize) -> Self {
        self.0.lock().unwrap().fails_at = Some(activation);
        self
    }

    /// That takes its time for each activation.
    #[must_use]
    pub fn slow(self, takes: Duration) -> Self {
        self.0.lock().unwrap().takes = takes;
        self
    }

    /// The public keys.
    pub fn keys(&self) -> TpmKeys {
        self.0.lock().unwrap().keys.clone()
    }

    /// Under which the device registers.
    pub fn id(&self) -> RegistrationId {
        let state = self.0.lock().unwrap();
        let derived = || RegistrationId::from_endorsement_key(&state.keys.endorsement_key);
        state.registration_id.clone().unwrap_or_else(derived)
    }

    /// The key of the latest activation.
    pub fn identity_key(&self) -> Option<SymmetricKey> {
        let state = self.0.lock().unwrap();
        state.identity.as_ref().map(|key| SymmetricKey::from_bytes(key).unwrap())
    }

    /// How many keys it has taken.
    pub fn activations(&self) -> usize {
        self.0.lock().unwrap().activations
    }
}

impl Hsm for SoftwareTpm {
    fn attestation(&self) -> Attestation {
        Attestation::Tpm
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        Ok(Some(self.id()))
    }

    fn tpm_keys(&mut self) -> Result<TpmKeys, HsmError> {
        Ok(self.keys())
    }

    fn activate(&mut self, blob: &[u8]) -> Result<(), HsmError> {
        let mut state = self.0.lock().unwrap();
        thread::sleep(state.takes);
        let failed = |reason: &str| HsmError::Failed {
            operation: "activate an identity key",
            reason: reason.to_owned(),
        };
        if state.fails_at == Some(state.activations) {
            return Err(failed("it was told to"));
        }
        let key = state.recover(blob).map_err(failed)?;
        state.identity = Some(key);
        state.activations += 1;
        Ok(())
    }

    fn sign(&mut self, data: &[u8]) -> Result<Mac, HsmError> {
        let state = self.0.lock().unwrap();
        let Some(key) = &state.identity else {
            return Err(HsmError::NotSupported { operation: "sign before a key is activated" });
        };
        Ok(Mac::new(hmac(key, &[data])))
    }
}

impl State {
    /// ActivateCredential, Import and Load in one (section 5.4).
    fn recover(&self, blob: &[u8]) -> Result<Vec<u8>, &'static str> {
        let mut fields = Fields(blob);
        let [id_object, secret, private, seed, public, uri] =
            [0; 6].map(|_| fields.sized().ok_or("a field is missing"));
        let (id_object, secret, private, seed) = (id_object?, secret?, private?, seed?);
        let (public, uri) = (public?, uri?);
        if !fields.0.is_empty() || uri.is_empty() {
            return Err("fields too many or too few");
        }

        // ActivateCredential.
        let name = object_name(&self.keys.storage_root_key[2..]);
        let credential_seed = self.endorsement.decrypt(secret, "IDENTITY")?;
        let mut rest = Fields(id_object);
        let integrity = rest.sized().ok_or("no integrity")?;
        if integrity != hmac(&kdfa(&credential_seed, "INTEGRITY", &[], 256), &[rest.0, &name]) {
            return Err("the credential is for another storage root key, or damaged");
        }
        let credential = decrypt(&kdfa(&credential_seed, "STORAGE", &name, 128), rest.0);
        let mut credential = Fields(&credential);
        let key = credential.sized().filter(|key| key.len() == 16).ok_or("no AES-128 key")?;

        // Import: the outer wrapper, then the inner one.
        let name = object_name(public);
        let seed = self.storage_root.decrypt(seed, "DUPLICATE")?;
        let mut rest = Fields(private);
        let integrity = rest.sized().ok_or("no integrity")?;
        if integrity != hmac(&kdfa(&seed, "INTEGRITY", &[], 256), &[rest.0, &name]) {
            return Err("the key is damaged, or is not what it says");
        }
        let inner = decrypt(&kdfa(&seed, "STORAGE", &name, 128), rest.0);
        let inner = decrypt(key, &inner);
        let mut rest = Fields(&inner);
        let integrity = rest.sized().ok_or("no inner integrity")?;
        if integrity != hash(&[rest.0, &name]).as_slice() {
            return Err("the key was wrapped with another one");
        }
        let mut sensitive = Fields(rest.sized().ok_or("no sensitive area")?);
        let kind = sensitive.take(2);
        let (auth, obfuscation) = (sensitive.sized(), sensitive.sized());
        let secret = sensitive.sized().ok_or("no key")?;
        if kind != Some(&[0, 8][..]) || auth != Some(&[][..]) || !sensitive.0.is_empty() {
            return Err("not a key for HMAC without authorization");
        }

        // Load: the public area must be this key's, and one that may sign by HMAC.
        let expected = [0, 8, 0, 0x0b, 0, 4, 4, 0x40, 0, 0, 0, 5, 0, 0x0b, 0, 0x20];
        let unique = hash(&[obfuscation.ok_or("no obfuscation value")?, secret]);
        if public != [&expected[..], &unique].concat() {
            return Err("the public area is another key's");
        }
        Ok(secret.to_vec())
    }
}

/// `TPM2B`s one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let size = self.take(2)?;
        self.take(usize::from(size[0]) << 8 | usize::from(size[1]))
    }
}

fn marshalled(attributes: u32, policy: &[u8], modulus: &[u8]) -> Vec<u8> {
    let sized = |bytes: &[u8]| {
        let size = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        [&size[..], bytes].concat()
    };
    sized(
        &[
            &[0x00, 0x01, 0x00, 0x0b][..],
            &attributes.to_be_bytes(),
            &sized(policy),
            &[0x00, 0x06, 0x00, 0x80, 0x00, 0x43, 0x00, 0x10, 0x08, 0x00, 0, 0, 0, 0],
            &sized(modulus),
        ]
        .concat(),
    )
}

fn hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().to_vec()
}

fn object_name(public: &[u8]) -> Vec<u8> {
    [&[0x00, 0x0b][..], &hash(&[public])].concat()
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn kdfa(key: &[u8], label: &str, context: &[u8], bits: u32) -> Vec<u8> {
    let input = [&[0, 0, 0, 1][..], label.as_bytes(), &[0], context, &bits.to_be_bytes()].concat();
    hmac(key, &[&input])[..bits as usize / 8].to_vec()
}

/// AES-128 in full-block CFB mode, from a vector of zeroes.
fn decrypt(key: &[u8], data: &[u8]) -> Vec<u8> {
    let cipher = Aes128::new_from_slice(key).unwrap();
    let mut before = [0; 16].into();
    let mut plain = Vec::new();
    for chunk in data.chunks(16) {
        cipher.encrypt_block(&mut before);
        plain.extend(chunk.iter().zip(&before).map(|(byte, stream)| byte ^ stream));
        before[..chunk.len()].copy_from_slice(chunk);
    }
    plain
}
