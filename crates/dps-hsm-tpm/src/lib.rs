//! A TPM 2.0 as an attestation source (`wire-protocol.md` section 5).
//!
//! # In scope
//!
//! * [`TpmHsm`]: a device that registers by its TPM's endorsement key
//! * [`TpmSigningKey`]: a key of a device certificate that stays in the TPM
//! * [`Tcti`]: devices, the access broker, and simulators; saying what is wrong on the way to them
//!
//! # Out of scope
//!
//! * speaking to the TPM: the system's tss2 libraries do, through `tss-esapi`
//! * certificates of endorsement keys, quotes, event logs
//!
//! Every operation opens the TPM and closes it again, so that a TPM that is restarted meanwhile is
//! found again, other programs can use it in between, and nothing stays loaded in it.
//!
//! ```no_run
//! use dps_core::Hsm;
//! use dps_hsm_tpm::{Tcti, Tpm, TpmHsm};
//!
//! let tpm = Tpm::new("swtpm:host=127.0.0.1,port=2321".parse::<Tcti>()?);
//! let mut hsm = TpmHsm::open(tpm)?;
//! println!("{}", hsm.keys()?.registration_id());
//! # Ok::<(), dps_hsm_tpm::TpmError>(())
//! ```

mod activation;
mod blob;
mod connection;
mod error;
mod hsm;
mod identity_key;
mod primary;
mod response;
mod retry;
mod sequence;
mod signing_key;
mod tcti;
mod template;
mod tpm;

pub use blob::BlobError;
pub use error::TpmError;
pub use hsm::{DeviceKeys, TpmHsm};
pub use signing_key::TpmSigningKey;
pub use tcti::Tcti;
pub use tpm::Tpm;

/// Where the endorsement key is kept.
pub const ENDORSEMENT_KEY_HANDLE: u32 = 0x8101_0001;
/// Where the storage root key is kept.
pub const STORAGE_ROOT_KEY_HANDLE: u32 = 0x8100_0001;
/// Where the key that the service sent is kept.
pub const IDENTITY_KEY_HANDLE: u32 = 0x8100_0100;
