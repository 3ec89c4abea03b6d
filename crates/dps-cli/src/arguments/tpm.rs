//! The command line about TPMs. It is the same without the feature `tpm`, and the commands say then
//! how to get it.
#![cfg_attr(not(feature = "tpm"), allow(dead_code))]

use crate::exit;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Which TPM to use, and what its owner has set.
#[derive(Args, Debug)]
pub(crate) struct TpmOptions {
    /// The way to the TPM: auto, device:PATH, tabrmd, swtpm:host=HOST,port=PORT or
    /// mssim:host=HOST,port=PORT
    #[arg(long, value_name = "TCTI", env = "TPM2TOOLS_TCTI", default_value = "auto")]
    pub(crate) tcti: String,

    /// File with the authorization value of the TPM's owner hierarchy in its first line; - reads
    /// standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) tpm_owner_auth_file: Option<PathBuf>,

    /// File with the authorization value of the TPM's endorsement hierarchy in its first line
    #[arg(long, value_name = "FILE")]
    pub(crate) tpm_endorsement_auth_file: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) enum Tpm {
    /// Print the keys and the registration id for an enrollment; makes keys that are missing
    Info(TpmInfo),
    /// Remove the key that the service sent, so that only a new registration can sign again
    ClearIdentity(TpmClearIdentity),
    /// Make a key on P-256 for a device certificate, which stays in the TPM, and print its public
    /// half
    CreateKey(TpmCreateKey),
}

#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct TpmInfo {
    #[command(flatten)]
    pub(crate) tpm: TpmOptions,

    /// Print one JSON document instead of text, with the enrollment as the service's API takes it
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct TpmClearIdentity {
    #[command(flatten)]
    pub(crate) tpm: TpmOptions,
}

#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct TpmCreateKey {
    #[command(flatten)]
    pub(crate) tpm: TpmOptions,

    /// Where the TPM keeps the key: a persistent handle that is free
    #[arg(long, value_parser = handle, default_value = "0x81000200")]
    pub(crate) handle: u32,
}

/// Reads a TPM's handle: a number, hexadecimal after 0x.
pub(crate) fn handle(text: &str) -> Result<u32, String> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| "a handle is a number such as 0x81000200".into())
}
