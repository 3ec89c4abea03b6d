//! libdps: the C API of the device provisioning client.
//!
//! A drop-in for the provisioning part of the Azure IoT C SDK 1.15; the behaviour is that of
//! `c-abi.md` sections 1.1 to 1.6, 1.9, 2, 3, 4 and 5, with the safe improvements of its section 10.
//! The C headers are in `include/`; `include/dps/dps_abi.h` is generated from this crate.
//!
//! # In scope
//!
//! * turning C arguments into Rust values, and failures into result codes
//! * the process-wide security state
//! * handles, callbacks and the worker thread
//!
//! # Out of scope
//!
//! * how a device is registered: [`dps_client`] knows
//!
//! # How a call travels
//!
//! [`exports`] holds every C function. Each one enters through one gate (the private `guard`
//! module), which stops panics, reads its arguments with the private `pointers` module, and
//! passes Rust values on. Only `exports`, `pointers`, `callbacks`, `plugin`, `linked` and `signals` contain
//! `unsafe` code.
//!
//! **Handles** are not addresses. A handle is a number that is never used twice in a process, in
//! the guise of a pointer; a registry maps it to the object. So a handle that was destroyed, a
//! handle of the other kind and any stray pointer are recognised, and answered with
//! `PROV_DEVICE_RESULT_INVALID_ARG`, where the original had undefined behaviour. The object itself
//! is reference counted: a call that is under way on another thread keeps it alive.
//!
//! **Locks.** One mutex guards one handle's state. It is never held while the network is served
//! or a callback runs: a pass takes the client out of the state, serves it, puts it back, notes
//! the outcome, and only then calls back. Therefore every function may be called from every
//! callback. Destroy from a callback takes effect when the callback returns, and nothing is
//! called back after it.
//!
//! **Memory** that a caller reads belongs to the handle (or to the library, for the security
//! functions), as each function's documentation says. Only `iothub_device_auth_generate_credentials`
//! hands over a struct, from `malloc`, for the caller to free.

pub mod abi;
mod built_in;
mod callbacks;
pub mod exports;
mod failure;
mod guard;
mod hub_auth;
mod linked;
mod options;
mod patience;
mod payload;
mod pkcs11;
mod plugin;
mod pointers;
mod proof;
mod prov_auth;
mod registry;
mod result;
#[cfg(feature = "riot")]
mod riot;
mod secret;
mod security;
mod session;
mod signals;
mod threaded;
mod tpm;
mod trace;
mod x509;
