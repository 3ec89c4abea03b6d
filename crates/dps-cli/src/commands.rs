//! One module per command.

pub(crate) mod cert;
pub(crate) mod demo;
pub(crate) mod derive_key;
pub(crate) mod doctor;
pub(crate) mod emulator;
mod made;
pub(crate) mod register;
pub(crate) mod service;
pub(crate) mod simulate;
pub(crate) mod tpm;
