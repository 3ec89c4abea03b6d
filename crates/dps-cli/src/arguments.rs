//! The command line.

mod derive_key;
pub(crate) mod fault;
pub(crate) mod hub;
pub(crate) mod service;
mod simulate;
mod tpm;
mod x509;

pub(crate) use derive_key::DeriveKey;
pub(crate) use simulate::{SimulateDevice, Work};
pub(crate) use tpm::{Tpm, TpmOptions};
#[cfg(feature = "tpm")]
pub(crate) use tpm::{TpmClearIdentity, TpmCreateKey, TpmInfo};
pub(crate) use x509::{Simulate, X509};

use crate::exit;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{
    ArgGroup, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
};
use dps_client::{TlsVersion, Transport};
use std::net::IpAddr;
use std::path::PathBuf;

/// Provisions devices through the Azure IoT Hub Device Provisioning Service, and runs a local one.
#[derive(Parser, Debug)]
#[command(name = "dps", version, after_help = exit::HELP, after_long_help = exit::HELP)]
pub(crate) struct Arguments {
    /// Log more to standard error: -v, -vv, -vvv
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Reads the command line; ends the program when it makes no sense.
    pub(crate) fn read() -> Self {
        let matches = Self::command().get_matches();
        let mut arguments = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let registering = match &mut arguments.command {
            Command::Register(options) => Some(&mut **options),
            Command::Simulate(options) => Some(&mut options.register),
            _ => None,
        };
        if let (Some(options), Some((_, given))) = (registering, matches.subcommand()) {
            let is_option = |name| given.value_source(name) == Some(ValueSource::CommandLine);
            options.key_given = is_option("key");
            options.endpoint_given = is_option("endpoint");
            if options.secrets.is_some() || options.config.is_some() {
                // A file named on the command line goes before variables.
                let variables = [
                    ("id_scope", &mut options.id_scope),
                    ("registration_id", &mut options.registration_id),
                    ("key", &mut options.key),
                ];
                for (name, value) in variables {
                    if !is_option(name) {
                        *value = None;
                    }
                }
            }
        }
        arguments
    }
}

impl Command {
    /// Whether standard output is to hold one JSON document, also about a failure.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Command::Demo(options) => options.json,
            Command::Register(options) => options.output == OutputFormat::Json,
            Command::Simulate(options) => options.register.output == OutputFormat::Json,
            Command::Doctor(options) => options.output == OutputFormat::Json,
            Command::Pkcs11(Pkcs11::List(options)) => options.json,
            Command::Tpm(Tpm::Info(options)) => options.json,
            Command::Enrollment(command) => command.wants_json(),
            Command::EnrollmentGroup(command) => command.wants_json(),
            Command::Registration(command) => command.wants_json(),
            Command::Fault(command) => command.wants_json(),
            Command::Hub(command) => command.wants_json(),
            Command::Cert(_)
            | Command::DeriveKey(_)
            | Command::Emulator(_)
            | Command::Tpm(_)
            | Command::X509(_) => false,
        }
    }
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Show the whole way on this machine: start a local service, derive a device key, register
    Demo(Demo),
    /// Print the key that an enrollment group's key gives one device
    DeriveKey(DeriveKey),
    /// Register a device and print the hub it is assigned to
    Register(Box<Register>),
    /// Register a device, connect it to its hub, send telemetry, and print its twin
    Simulate(Box<SimulateDevice>),
    /// Find out what stands between this machine and the service
    Doctor(Doctor),
    /// Make certificates for trying out X.509: authorities and devices
    #[command(subcommand)]
    Cert(Cert),
    /// Look at PKCS#11 tokens (needs a dps built with the feature pkcs11)
    #[command(subcommand)]
    Pkcs11(Pkcs11),
    /// Look into the machine's TPM, and prepare it for registering
    #[command(subcommand)]
    Tpm(Tpm),
    /// Devices that do not exist, with certificates that do
    #[command(subcommand)]
    X509(X509),
    /// Manage the enrollments of single devices
    #[command(subcommand)]
    Enrollment(service::Enrollment),
    /// Manage the enrollments of groups of devices
    #[command(subcommand)]
    EnrollmentGroup(service::EnrollmentGroup),
    /// See which devices have registered
    #[command(subcommand)]
    Registration(service::Registration),
    /// Have a local service misbehave on purpose, to test devices with
    #[command(subcommand)]
    Fault(fault::Fault),
    /// Link hubs to the local service, and look at their devices
    #[command(subcommand)]
    Hub(hub::Hub),
    /// Run the local service until it is interrupted
    Emulator(Emulator),
}

#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct Demo {
    /// Print one JSON document instead of text
    #[arg(long)]
    pub(crate) json: bool,

    /// Change one byte of the device key, to see how a refusal looks
    #[arg(long)]
    pub(crate) corrupt_key: bool,

    /// The protocol to reach the service by
    #[arg(long, default_value = Transport::Mqtt.as_str(), value_parser = transport())]
    pub(crate) transport: Transport,

    /// Registration id of the device
    #[arg(long, default_value = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6")]
    pub(crate) registration_id: String,
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("certificate_key").args(["cert_key", "cert_tpm_key", "cert_openssl_key"])))]
#[command(group(ArgGroup::new("secret").required(true).multiple(true).args(["key", "key_file", "group_key_file", "cert", "secrets", "config", "tpm"])))]
#[command(after_help = exit::HELP)]
pub(crate) struct Register {
    /// The service's host, with a port if it is not the usual one
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        env = "PROVISIONING_HOST",
        default_value = dps_client::GLOBAL_ENDPOINT
    )]
    pub(crate) endpoint: String,

    /// Whether the endpoint stands on the command line
    #[arg(skip)]
    pub(crate) endpoint_given: bool,

    /// ID scope of the service instance
    #[arg(long, env = "PROVISIONING_IDSCOPE", required_unless_present_any = ["secrets", "config"])]
    pub(crate) id_scope: Option<String>,

    /// Registration id of the device; unless given, with --cert the certificate's common name, and
    /// with --tpm the one that follows from the endorsement key
    #[arg(long, env = "PROVISIONING_REGISTRATION_ID", required_unless_present_any = ["cert", "secrets", "config", "tpm"])]
    pub(crate) registration_id: Option<String>,

    /// File of "dps derive-key --out": endpoint, scope, id, and the keys, of which the secondary
    /// is tried when the service refuses the primary
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key_file", "group_key_file", "cert", "config", "show_connection_string"])]
    pub(crate) secrets: Option<PathBuf>,

    /// File to write the hub's connection strings to when the device is registered, readable by
    /// its owner only; one that is there is replaced
    #[arg(long, value_name = "FILE", requires = "secrets")]
    pub(crate) settings: Option<PathBuf>,

    /// Configuration file of IoT Edge (config.yaml), whose section "provisioning" says where to
    /// register and how
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key_file", "group_key_file", "cert"])]
    pub(crate) config: Option<PathBuf>,

    /// The device's key in base64, visible to other users of this machine: prefer --key-file; or
    /// the pkcs11: URI of a key in a token
    #[arg(
        long,
        value_name = "BASE64|URI",
        env = "PROVISIONING_SYMMETRIC_KEY",
        hide_env_values = true
    )]
    pub(crate) key: Option<String>,

    /// Whether the key stands on the command line, and not in the environment
    #[arg(skip)]
    pub(crate) key_given: bool,

    /// File with the device's key in base64; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// File with the enrollment group's key in base64, from which the device's key is derived.
    /// For trying out: a device should only carry its own key
    #[arg(long, value_name = "FILE")]
    pub(crate) group_key_file: Option<PathBuf>,

    /// PEM file with the device's certificate and then its issuers', or the pkcs11: URI of the
    /// certificate in a token: X.509 instead of a key
    #[arg(long, value_name = "FILE|URI", requires = "certificate_key", conflicts_with_all = ["key_file", "group_key_file", "show_connection_string"])]
    pub(crate) cert: Option<PathBuf>,

    /// PEM file with the private key of the device's certificate, or the pkcs11: URI of the key in
    /// a token
    #[arg(long, value_name = "FILE|URI", requires = "cert")]
    pub(crate) cert_key: Option<PathBuf>,

    /// File with the passphrase of that private key in its first line; - reads standard input
    #[arg(long, value_name = "FILE", requires = "cert_key")]
    pub(crate) cert_key_passphrase_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) pkcs11: TokenOptions,
    /// Persistent handle of the TPM's key for the device's certificate, for example 0x81000200
    #[arg(long, value_name = "HANDLE", value_parser = tpm::handle, requires = "cert")]
    pub(crate) cert_tpm_key: Option<u32>,

    #[command(flatten)]
    pub(crate) openssl: OpensslOptions,

    /// The machine's TPM instead of a key
    #[arg(long, conflicts_with_all = ["key_file", "group_key_file", "cert", "secrets", "config", "show_connection_string"])]
    pub(crate) tpm: bool,

    #[command(flatten)]
    pub(crate) tpm_options: TpmOptions,

    /// PEM file with the only certificate authorities to trust, instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) trusted_cert: Option<PathBuf>,

    /// The oldest version of TLS to speak
    #[arg(long, value_name = "VERSION", value_enum, default_value_t = TlsVersionName::V1_2)]
    pub(crate) tls_min: TlsVersionName,

    /// The newest version of TLS to speak
    #[arg(long, value_name = "VERSION", value_enum, default_value_t = TlsVersionName::V1_3)]
    pub(crate) tls_max: TlsVersionName,

    /// The protocol to reach the service by; unless given mqtt, and with --tpm amqp, since MQTT
    /// has no way for a TPM
    #[arg(long, value_parser = transport())]
    pub(crate) transport: Option<Transport>,

    #[command(flatten)]
    pub(crate) proxy: ProxyOptions,

    /// JSON to send to a custom allocation webhook; @FILE reads a file
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) payload: Option<String>,

    /// Seconds after which to give up
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,

    /// Wait for each acknowledgement instead of sending the opening in one flight
    #[arg(long)]
    pub(crate) conservative: bool,

    /// Also print the hub connection string, which contains the key
    #[arg(long)]
    pub(crate) show_connection_string: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub(crate) output: OutputFormat,
}

/// Private keys that a provider of OpenSSL 3 holds.
#[derive(Args, Debug)]
pub(crate) struct OpensslOptions {
    /// URI by which a provider of OpenSSL finds the private key of the device's certificate, for
    /// example handle:0x81000200 with tpm2. A PIN in it is visible to other users of this machine
    #[arg(long, value_name = "URI", requires = "cert")]
    pub(crate) cert_openssl_key: Option<String>,

    /// Provider of OpenSSL to load, for example tpm2; may be repeated. Those of OpenSSL's
    /// configuration are there without it
    #[arg(long, value_name = "NAME", requires = "cert_openssl_key")]
    pub(crate) openssl_provider: Vec<String>,

    /// Which of the providers is to find the key and to sign, in OpenSSL's terms; unless given,
    /// "?provider=NAME" with the first --openssl-provider
    #[arg(long, value_name = "QUERY", requires = "cert_openssl_key")]
    pub(crate) openssl_properties: Option<String>,
}

/// How to reach PKCS#11 tokens.
#[derive(Args, Debug)]
pub(crate) struct TokenOptions {
    /// Library of the PKCS#11 token, unless the URI names it (module-path); by default p11-kit's
    #[arg(long = "pkcs11-module", value_name = "PATH", env = "PKCS11_MODULE_PATH")]
    pub(crate) module: Option<PathBuf>,

    /// File with the token's PIN in its first line, unless the URI has it; by default the
    /// variable PKCS11_PIN
    #[arg(long, value_name = "FILE")]
    pub(crate) pin_file: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Pkcs11 {
    /// List tokens, and the keys and certificates on them, as URIs to copy. Without a PIN most
    /// tokens show no private keys
    List(Pkcs11List),
}

#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct Pkcs11List {
    /// Only what matches this URI
    #[arg(default_value = "pkcs11:")]
    pub(crate) uri: String,

    #[command(flatten)]
    pub(crate) tokens: TokenOptions,

    /// Print one JSON document instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

impl Register {
    /// The transport that was asked for, or the usual one.
    pub(crate) fn transport(&self) -> Transport {
        let usual = if self.tpm { Transport::Amqp } else { Transport::Mqtt };
        self.transport.unwrap_or(usual)
    }
}

/// Which proxy to go through.
#[derive(Args, Debug)]
pub(crate) struct ProxyOptions {
    /// Proxy to go through, http://[user:password@]host:port or https://...; by default that of
    /// HTTPS_PROXY, except for the hosts of NO_PROXY and this machine. The command line is
    /// visible to other users: a password is better kept in HTTPS_PROXY
    #[arg(long, value_name = "URL", conflicts_with = "no_proxy")]
    pub(crate) proxy: Option<String>,

    /// Go through no proxy, whatever HTTPS_PROXY says
    #[arg(long)]
    pub(crate) no_proxy: bool,
}

/// Reads the name of any transport there is.
fn transport() -> impl TypedValueParser<Value = Transport> {
    PossibleValuesParser::new(Transport::ALL.map(Transport::as_str))
        .try_map(|name| name.parse::<Transport>())
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsVersionName {
    /// TLS 1.2
    #[value(name = "1.2")]
    V1_2,
    /// TLS 1.3
    #[value(name = "1.3")]
    V1_3,
}

impl From<TlsVersionName> for TlsVersion {
    fn from(name: TlsVersionName) -> Self {
        match name {
            TlsVersionName::V1_2 => Self::V1_2,
            TlsVersionName::V1_3 => Self::V1_3,
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct Doctor {
    /// The service's host, with a port if it is not the usual one
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        env = "PROVISIONING_HOST",
        default_value = dps_client::GLOBAL_ENDPOINT
    )]
    pub(crate) endpoint: String,

    /// The transport to try
    #[arg(long, default_value = "all", value_parser = TransportChoice::parse, value_name = "all|mqtt|mqtt-ws|http|amqp|amqp-ws")]
    pub(crate) transport: TransportChoice,

    /// ID scope of the service instance; without it, one that no service has
    #[arg(long, env = "PROVISIONING_IDSCOPE")]
    pub(crate) id_scope: Option<String>,

    /// Port of MQTT over TLS, if it is not the usual one
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) mqtt_port: Option<u16>,

    /// Port of AMQP over TLS, if it is not the usual one
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) amqp_port: Option<u16>,

    /// Port of HTTPS and WebSockets, if it is not the usual one
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) https_port: Option<u16>,

    /// PEM file with the only certificate authorities to trust, instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) trusted_cert: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) proxy: ProxyOptions,

    /// Seconds after which to give up each step
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) timeout: u64,

    /// How to print the findings
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub(crate) output: OutputFormat,
}

/// One transport, or all of them.
#[derive(Clone, Debug)]
pub(crate) struct TransportChoice(Option<dps_client::Transport>);

impl TransportChoice {
    fn parse(text: &str) -> Result<Self, dps_client::TransportError> {
        if text == "all" { Ok(Self(None)) } else { text.parse().map(|one| Self(Some(one))) }
    }

    pub(crate) fn transports(&self) -> Vec<dps_client::Transport> {
        match self.0 {
            Some(one) => vec![one],
            None => dps_client::Transport::ALL.to_vec(),
        }
    }
}

#[derive(Subcommand, Debug)]
pub(crate) enum Cert {
    /// Make a root: the signing certificate of an enrollment group
    Ca(CertCa),
    /// Make an authority below another one, for example one for each factory
    Intermediate(CertIssued),
    /// Make a device's certificate, with its issuers' behind it: what dps register --cert takes
    Device(CertIssued),
    /// Make the verification certificate that proves possession of an authority's key, for the
    /// code that the service shows
    Verify(CertVerify),
}

#[derive(Args, Debug)]
pub(crate) struct CertCa {
    #[command(flatten)]
    pub(crate) common: CertCommon,
}

#[derive(Args, Debug)]
pub(crate) struct CertIssued {
    #[command(flatten)]
    pub(crate) issuer: CertIssuer,

    #[command(flatten)]
    pub(crate) common: CertCommon,
}

#[derive(Args, Debug)]
pub(crate) struct CertIssuer {
    /// PEM file with the issuer's certificate and, if it is not a root, those behind it
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: PathBuf,

    /// PEM file with the issuer's private key
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_key: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct CertVerify {
    #[command(flatten)]
    pub(crate) issuer: CertIssuer,

    /// The verification code that the service has generated for the authority's certificate
    #[arg(long)]
    pub(crate) code: String,

    /// File to write the verification certificate to, for uploading to the service
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Days from now that it is valid
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) days: u32,

    /// Replace a file that is there already
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CertCommon {
    /// Common name; a device's is its registration id
    #[arg(long)]
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) files: CertFiles,

    /// Kind of the new private key
    #[arg(long, value_enum, default_value_t = KeyType::P256)]
    pub(crate) key_type: KeyType,

    /// Days from now that it is valid
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) days: u32,
}

#[derive(Args, Debug)]
pub(crate) struct CertFiles {
    /// File to write the certificate to, with the issuers' except the root's behind it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// File to write the private key to, readable by its owner only
    #[arg(long, value_name = "FILE")]
    pub(crate) key_out: PathBuf,

    /// Replace files that are there already
    #[arg(long)]
    pub(crate) force: bool,
}

/// RSA keys are for openssl to make: ring makes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyType {
    /// EC on P-256
    P256,
    /// EC on P-384
    P384,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Lines for people
    Text,
    /// One JSON document
    Json,
}

#[derive(Subcommand, Debug)]
pub(crate) enum EmulatorCommand {
    /// Print the lines that other clients on this machine need in /etc/hosts to find the service
    /// and its hubs by their names
    Hosts(EmulatorHosts),
}

#[derive(Args, Debug)]
pub(crate) struct EmulatorHosts {
    /// The service's YAML file, for its hubs and names
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Address by which the clients reach the service
    #[arg(long)]
    pub(crate) address: Option<IpAddr>,
}

#[derive(Args, Debug)]
#[command(after_help = exit::HELP, args_conflicts_with_subcommands = true)]
pub(crate) struct Emulator {
    #[command(subcommand)]
    pub(crate) command: Option<EmulatorCommand>,

    /// YAML file with enrollments, hubs and behaviour; without it there is one enrollment group
    /// with new keys, and one hub
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Address to listen on
    #[arg(long)]
    pub(crate) address: Option<IpAddr>,

    /// Port of MQTT over TLS; 0 takes any free one
    #[arg(long, value_name = "PORT")]
    pub(crate) mqtt_port: Option<u16>,

    /// Port of HTTPS and WebSockets; 0 takes any free one
    #[arg(long, value_name = "PORT")]
    pub(crate) https_port: Option<u16>,

    /// Port of AMQP over TLS; 0 takes any free one, as does --mqtt-port 0 unless this is given
    #[arg(long, value_name = "PORT")]
    pub(crate) amqp_port: Option<u16>,

    /// Another host name or address for the service's certificate, by which clients reach it; may
    /// be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Vec<String>,

    /// Keep enrollments and registrations in this file, and find them there again; without it they
    /// are gone when the service ends
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,

    /// Write the service's CA certificate to this file, for clients to trust
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_out: Option<PathBuf>,

    /// Once ready, write a JSON document with ports, CA, ID scope, enrollments and keys to this
    /// file, readable by its owner only
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,

    /// Print that JSON document instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
