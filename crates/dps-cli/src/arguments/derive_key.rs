//! Arguments of `dps derive-key`.

use crate::exit;
use clap::{ArgGroup, Args};
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("devices").required(true).args(["registration_id", "ids"])))]
#[command(after_help = exit::HELP)]
pub(crate) struct DeriveKey {
    /// The group's primary key in base64. Visible to other users of this machine: prefer
    /// --key-file or standard input
    #[arg(long, visible_alias = "primary", value_name = "BASE64", conflicts_with = "key_file")]
    pub(crate) key: Option<String>,

    /// File with the group's primary key in base64; - or nothing reads standard input
    #[arg(long, visible_alias = "primary-file", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// The group's secondary key in base64, for devices that carry both; visible to others, too
    #[arg(long, value_name = "BASE64", requires = "out", conflicts_with = "secondary_file")]
    pub(crate) secondary: Option<String>,

    /// File with the group's secondary key in base64
    #[arg(long, value_name = "FILE", requires = "out")]
    pub(crate) secondary_file: Option<PathBuf>,

    /// Registration id of the device, exactly as the device will state it
    #[arg(long)]
    pub(crate) registration_id: Option<String>,

    /// Many devices: a file with one registration id in each line, or a CSV file with a column
    /// registrationId
    #[arg(long, value_name = "FILE", requires = "out")]
    pub(crate) ids: Option<PathBuf>,

    /// File to write to, readable by its owner only: what one device must know, for
    /// "dps register --secrets"; with --ids a CSV file with the keys
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// ID scope of the service instance, for --out
    #[arg(long, env = "PROVISIONING_IDSCOPE")]
    pub(crate) id_scope: Option<String>,

    /// The service's host for --out, with a port if it is not the usual one
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        env = "PROVISIONING_HOST",
        default_value = dps_client::GLOBAL_ENDPOINT
    )]
    pub(crate) endpoint: String,

    /// Leave out the ids that cannot be one, and say which; otherwise the first one ends it
    #[arg(long, requires = "ids")]
    pub(crate) keep_going: bool,

    /// Replace a file that is there already
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
}
