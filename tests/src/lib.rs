//! Support for the end-to-end tests.
//!
//! # In scope
//!
//! * [`FaultyService`]: a provisioning service that misbehaves on purpose, over real TLS
//! * [`ConnectProxy`]: an HTTP proxy on the way
//! * [`tls_server`]: what a TLS server needs
//! * [`Fleet`]: a local service with an enrollment of every kind, and its devices
//! * [`Authority`], [`KeyKind`], [`self_signed`]: certificates for devices
//! * [`SoftwareTpm`]: a TPM for devices
//! * [`World`]: a client and a service without sockets, in virtual time
//! * [`Peer`]: the service's side of a connection in memory, with TLS, a proxy or a WebSocket
//! * [`DelayingRelay`]: a network that is far away
//! * [`TamperingRelay`]: a man in the middle who changes what the service answers
//! * [`RunningProxy`]: tinyproxy, with and without TLS
//! * [`SoftHsm`]: PKCS#11 tokens in software
//! * [`Swtpm`]: swtpm, a TPM that the system's tss2 reaches
//! * [`TpmSimulator`]: Microsoft's simulator protocol in front of it
//! * [`AccessBroker`]: tpm2-abrmd in front of it
//! * [`DeviceFile`]: a device file in front of it
//! * [`NodeTpm`]: Microsoft's Node.js clients with a TPM
//! * [`Folder`]: a place for files
//! * [`c_build`]: the C library, built by CMake
//! * [`Sanitized`]: its C test programs with a sanitizer
//! * [`run`]: other programs, with a time limit
//! * [`valgrind`]: them under memcheck
//!
//! # Out of scope
//!
//! * the tests themselves: `e2e/` and `interop/`
#![forbid(unsafe_code)]
// Test support may stop a test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod access_broker;
mod c_build;
mod command;
mod connect_proxy;
mod device_file;
mod dial;
mod faulty;
mod fleet;
mod folder;
mod node_tpm;
mod peers;
mod pki;
mod proxy;
mod relay;
mod running_service;
mod sanitized;
mod soft_hsm;
mod software_tpm;
mod swtpm;
mod tampering;
mod tpm_simulator;
mod valgrind;
mod world;

pub use access_broker::AccessBroker;
pub use c_build::c_build;
pub use command::{Finished, root, run};
pub use connect_proxy::ConnectProxy;
pub use device_file::DeviceFile;
pub use dial::dial;
pub use faulty::{Fault, FaultyService, tls_server};
pub use fleet::{Fleet, Proof};
pub use folder::Folder;
pub use node_tpm::NodeTpm;
pub use peers::{Door, Peer, ProxyPeer, TlsPeer, WebSocketPeer};
pub use pki::{Authority, KeyKind, ServerKind, self_signed, self_signed_server};
pub use proxy::RunningProxy;
pub use relay::DelayingRelay;
pub use running_service::RunningService;
pub use sanitized::{Sanitized, Sanitizer};
pub use soft_hsm::{PIN, SoftHsm};
pub use software_tpm::SoftwareTpm;
pub use swtpm::Swtpm;
pub use tampering::{Answer, Fate, TamperingRelay};
pub use tpm_simulator::TpmSimulator;
pub use valgrind::valgrind;
pub use world::{Cut, Engine, Layers, Outcome, World};
