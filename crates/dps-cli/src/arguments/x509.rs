//! Arguments of `dps x509`.

use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub(crate) enum X509 {
    /// Make the certificates of a simulated device with a DICE chip: the same ones each time
    Simulate(Simulate),
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("secret").required(true).args(["seed", "seed_file"])))]
pub(crate) struct Simulate {
    /// Registration id of the device: its certificate's common name
    #[arg(long)]
    pub(crate) registration_id: String,

    /// What all of the fleet's keys come from, 8 bytes or more. Visible to other users of this
    /// machine: prefer --seed-file
    #[arg(long, value_name = "TEXT")]
    pub(crate) seed: Option<String>,

    /// File whose first line is the seed; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) seed_file: Option<PathBuf>,

    /// File to write the device's chain to: its own certificate, and its signer's behind it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// File to write the device's private key to, readable by its owner only
    #[arg(long, value_name = "FILE")]
    pub(crate) key_out: PathBuf,

    /// File to write the root certificate to, which an enrollment group of the fleet names
    #[arg(long, value_name = "FILE")]
    pub(crate) root_out: Option<PathBuf>,

    /// File to write the root's private key to, for "dps cert verify", readable by its owner only
    #[arg(long, value_name = "FILE")]
    pub(crate) root_key_out: Option<PathBuf>,

    /// Replace files that are there already
    #[arg(long)]
    pub(crate) force: bool,
}
