//! The arguments of commands that manage the service, named as those of `az iot dps` are.

use super::ProxyOptions;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// How to reach the service API.
#[derive(Args, Debug)]
pub(crate) struct Login {
    // Not an argument's environment variable: that would count as given, and conflict.
    /// The service's connection string; by default that of the variable DPS_CONNECTION_STRING.
    /// Visible to other users of this machine: prefer the variable or --login-file
    #[arg(long, value_name = "CONNECTION_STRING", conflicts_with = "login_file")]
    pub(crate) login: Option<String>,

    /// File with the service's connection string, whatever DPS_CONNECTION_STRING says
    #[arg(long, value_name = "FILE")]
    pub(crate) login_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) proxy: ProxyOptions,

    /// File with the CA certificates, in PEM, to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) trusted_cert: Option<PathBuf>,

    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Enrollment {
    /// Enroll a device
    Create(CreateEnrollment),
    /// Show an enrollment
    Show(Show),
    /// List all enrollments
    List(List),
    /// Change what is named of an enrollment, and nothing else
    Update(UpdateEnrollment),
    /// Delete an enrollment. The device stays in its hub
    Delete(Delete),
}

#[derive(Subcommand, Debug)]
pub(crate) enum EnrollmentGroup {
    /// Enroll a group of devices
    Create(CreateGroup),
    /// Show a group
    Show(Show),
    /// List all groups
    List(List),
    /// Change what is named of a group, and nothing else
    Update(UpdateGroup),
    /// Delete a group. Its devices stay in their hubs
    Delete(Delete),
    /// Print the key that the group's primary key, or one that is given, gives one device
    ComputeDeviceKey(ComputeDeviceKey),
}

#[derive(Subcommand, Debug)]
pub(crate) enum Registration {
    /// List the devices that a group has let in
    List(ListRegistrations),
    /// Show how a device's registration stands
    Show(OneRegistration),
    /// Forget a device's registration
    Delete(DeleteRegistration),
}

#[derive(Args, Debug)]
pub(crate) struct CreateEnrollment {
    /// The device's registration id
    #[arg(long, visible_alias = "eid")]
    pub(crate) enrollment_id: String,

    #[command(flatten)]
    pub(crate) proof: Proof,

    /// The TPM's endorsement key in base64, with --attestation-type tpm
    #[arg(long, value_name = "BASE64")]
    pub(crate) endorsement_key: Option<String>,

    #[command(flatten)]
    pub(crate) device: Device,

    #[command(flatten)]
    pub(crate) common: Common,

    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Args, Debug)]
pub(crate) struct CreateGroup {
    /// The group's name
    #[arg(long, visible_alias = "eid")]
    pub(crate) enrollment_id: String,

    #[command(flatten)]
    pub(crate) proof: Proof,

    #[command(flatten)]
    pub(crate) common: Common,

    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Args, Debug)]
pub(crate) struct UpdateEnrollment {
    /// The device's registration id
    #[arg(long, visible_alias = "eid")]
    pub(crate) enrollment_id: String,

    #[command(flatten)]
    pub(crate) device: Device,

    #[command(flatten)]
    pub(crate) change: Change,
}

#[derive(Args, Debug)]
pub(crate) struct UpdateGroup {
    /// The group's name
    #[arg(long, visible_alias = "eid")]
    pub(crate) enrollment_id: String,

    #[command(flatten)]
    pub(crate) change: Change,
}

/// What all updates have.
#[derive(Args, Debug)]
pub(crate) struct Change {
    #[command(flatten)]
    pub(crate) keys: Keys,

    /// Make up a new key here, in place of the one that there is; show --show-keys prints it. Devices
    /// with the old one are refused from then on
    #[arg(long, visible_alias = "regenerate-key", value_enum, value_name = "WHICH")]
    pub(crate) renew_key: Option<WhichKey>,

    #[command(flatten)]
    pub(crate) common: Common,

    /// Change it only if it still has this etag
    #[arg(long)]
    pub(crate) etag: Option<String>,

    #[command(flatten)]
    pub(crate) login: Login,
}

/// How devices prove who they are.
#[derive(Args, Debug)]
pub(crate) struct Proof {
    /// How devices prove who they are
    #[arg(long, visible_alias = "at", value_enum, default_value_t = Attestation::SymmetricKey)]
    pub(crate) attestation_type: Attestation,

    #[command(flatten)]
    pub(crate) keys: Keys,

    /// Certificate in PEM, with --attestation-type x509: the device's own, or of a group that of
    /// the authority that signs its devices' certificates
    #[arg(long, visible_alias = "cp", value_name = "FILE")]
    pub(crate) certificate_path: Option<PathBuf>,

    /// Another such certificate
    #[arg(long, visible_alias = "scp", value_name = "FILE", requires = "certificate_path")]
    pub(crate) secondary_certificate_path: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attestation {
    #[value(name = "symmetrickey")]
    SymmetricKey,
    X509,
    Tpm,
}

/// Shared keys.
#[derive(Args, Debug)]
pub(crate) struct Keys {
    /// File with the primary key in base64; - reads standard input. Unless it is given, the service
    /// makes one up for a new enrollment, and keeps that of an old one
    #[arg(long, visible_alias = "pk-file", value_name = "FILE")]
    pub(crate) primary_key_file: Option<PathBuf>,

    /// File with the secondary key in base64
    #[arg(long, visible_alias = "sk-file", value_name = "FILE")]
    pub(crate) secondary_key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhichKey {
    Primary,
    Secondary,
    Both,
}

/// What only the enrollment of one device has.
#[derive(Args, Debug)]
pub(crate) struct Device {
    /// The device's name in the hub; the registration id unless given
    #[arg(long)]
    pub(crate) device_id: Option<String>,

    /// What you want to know of the device: a JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) device_information: Option<String>,
}

/// What both kinds of enrollment have.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// Host names of the hubs to choose from, with commas between them
    #[arg(long, visible_alias = "ih", value_name = "HUB", value_delimiter = ',')]
    pub(crate) iot_hubs: Option<Vec<String>>,

    /// How the hub is chosen
    #[arg(long, visible_alias = "ap", value_enum)]
    pub(crate) allocation_policy: Option<AllocationPolicy>,

    /// Where the service asks for a hub, with --allocation-policy custom
    #[arg(long, value_name = "URL")]
    pub(crate) webhook_url: Option<String>,

    /// The version of the question to the webhook
    #[arg(long, value_name = "VERSION", default_value = "2021-10-01", requires = "webhook_url")]
    pub(crate) api_version: String,

    /// The tags of a device's twin: a JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) initial_twin_tags: Option<String>,

    /// The desired properties of a device's twin: a JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) initial_twin_properties: Option<String>,

    /// Whether devices may register
    #[arg(long, visible_alias = "ps", value_enum)]
    pub(crate) provisioning_status: Option<ProvisioningStatus>,

    /// What happens to a device that registers again
    #[arg(long, visible_alias = "rp", value_enum)]
    pub(crate) reprovision_policy: Option<Reprovisioning>,

    /// Whether they are IoT Edge devices
    #[arg(long, visible_alias = "ee", value_name = "BOOL")]
    pub(crate) edge_enabled: Option<bool>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AllocationPolicy {
    Hashed,
    #[value(name = "geolatency")]
    GeoLatency,
    Static,
    Custom,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ProvisioningStatus {
    Enabled,
    Disabled,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Reprovisioning {
    /// It keeps its hub
    Never,
    /// Its hub is chosen anew, and its twin goes along
    #[value(name = "reprovisionandmigratedata")]
    Migrate,
    /// Its hub is chosen anew, where it starts from the initial twin
    #[value(name = "reprovisionandresetdata")]
    Reset,
}

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The registration id, or the group's name
    #[arg(long, visible_alias = "eid")]
    pub(crate) enrollment_id: String,

    /// Show keys, too
    #[arg(long, visible_alias = "keys")]
    pub(crate) show_keys: bool,

    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Args, Debug)]
pub(crate) struct List {
    /// The most to list
    #[arg(long, value_name = "NUMBER")]
    pub(crate) top: Option<usize>,

    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// The registration id, or the group's name
    #[arg(long, visible_alias = "eid")]
    pub(crate) enrollment_id: String,

    /// Delete it only if it still has this etag
    #[arg(long)]
    pub(crate) etag: Option<String>,

    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("group_key").required(true).args(["enrollment_id", "key", "key_file"])))]
pub(crate) struct ComputeDeviceKey {
    /// The group's name: the service is asked for its key
    #[arg(long, visible_alias = "eid")]
    pub(crate) enrollment_id: Option<String>,

    /// The group's key in base64: the service is not needed. Visible to other users of this
    /// machine: prefer --key-file
    #[arg(long, value_name = "BASE64")]
    pub(crate) key: Option<String>,

    /// File with the group's key in base64; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// Registration id of the device, exactly as the device will state it
    #[arg(long, visible_alias = "rid")]
    pub(crate) registration_id: String,

    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Args, Debug)]
pub(crate) struct ListRegistrations {
    /// The group's name
    #[arg(long, visible_alias = "eid")]
    pub(crate) enrollment_id: String,

    /// The most to list
    #[arg(long, value_name = "NUMBER")]
    pub(crate) top: Option<usize>,

    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Args, Debug)]
pub(crate) struct OneRegistration {
    /// Registration id of the device
    #[arg(long, visible_alias = "rid")]
    pub(crate) registration_id: String,

    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteRegistration {
    /// Registration id of the device
    #[arg(long, visible_alias = "rid")]
    pub(crate) registration_id: String,

    /// Delete it only if it still has this etag
    #[arg(long)]
    pub(crate) etag: Option<String>,

    #[command(flatten)]
    pub(crate) login: Login,
}

impl Enrollment {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Create(options) => options.login.json,
            Self::Show(options) => options.login.json,
            Self::List(options) => options.login.json,
            Self::Update(options) => options.change.login.json,
            Self::Delete(options) => options.login.json,
        }
    }
}

impl EnrollmentGroup {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Create(options) => options.login.json,
            Self::Show(options) => options.login.json,
            Self::List(options) => options.login.json,
            Self::Update(options) => options.change.login.json,
            Self::Delete(options) => options.login.json,
            Self::ComputeDeviceKey(options) => options.login.json,
        }
    }
}

impl Registration {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::List(options) => options.login.json,
            Self::Show(options) => options.login.json,
            Self::Delete(options) => options.login.json,
        }
    }
}
