//! The `dps` command.
//!
//! # In scope
//!
//! * `dps demo`: the whole way, from key to assignment, on one machine
//! * `dps derive-key`: device keys of an enrollment group
//! * `dps register`: a device's registration
//! * `dps simulate`: a registered device at work at its hub
//! * `dps doctor`: what stands between this machine and the service
//! * `dps cert`: certificates for trying out X.509, and for the proof of possession
//! * `dps pkcs11`: what there is on PKCS#11 tokens
//! * `dps tpm`: a TPM's keys, for enrollments and certificates
//! * `dps x509 simulate`: certificates of simulated devices
//! * `dps enrollment`, `dps enrollment-group`, `dps registration`: managing the service
//! * `dps fault`: how a local service misbehaves on purpose
//! * `dps hub`: the local service's hubs and their devices
//! * `dps emulator`: the local service
//!
//! # Out of scope
//!
//! * logic: commands read arguments, call the crates, and print
#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod exit;
mod failure;
mod files;
mod key_source;
mod openssl;
mod output;
mod pkcs11;
mod proxy;
mod report;
mod secrets;
mod tpm;

use arguments::{Arguments, Command, EmulatorCommand, Pkcs11, X509};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::read();
    start_logging(&arguments);
    let json = arguments.command.wants_json();
    let outcome = match arguments.command {
        Command::Demo(options) => commands::demo::run(&options),
        Command::DeriveKey(options) => commands::derive_key::run(&options),
        Command::Register(options) => commands::register::run(*options),
        Command::Simulate(options) => commands::simulate::run(*options),
        Command::Cert(command) => commands::cert::run(&command),
        Command::X509(X509::Simulate(options)) => commands::cert::simulate::run(&options),
        Command::Doctor(options) => commands::doctor::run(&options),
        Command::Pkcs11(Pkcs11::List(options)) => pkcs11::list(&options),
        Command::Tpm(command) => commands::tpm::run(&command),
        Command::Emulator(options) => match &options.command {
            Some(EmulatorCommand::Hosts(options)) => commands::emulator::hosts::run(options),
            None => commands::emulator::run(&options),
        },
        Command::Enrollment(command) => commands::service::enrollment::run(&command),
        Command::EnrollmentGroup(command) => commands::service::enrollment_group::run(&command),
        Command::Hub(command) => commands::service::hub::run(&command),
        Command::Registration(command) => commands::service::registration::run(&command),
        Command::Fault(command) => commands::service::fault::run(&command),
    };
    match outcome.and_then(|()| output::check()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if json && !failure.is_reported() {
                output::line(failure.to_json());
            }
            output::error(&failure);
            failure.code().into()
        }
    }
}

/// Log lines go to standard error, so that standard output stays what a command promises.
fn start_logging(arguments: &Arguments) {
    let quiet = match arguments.command {
        // Who watches a service wants to see who comes; the demo tells its own story.
        Command::Emulator(_) => 1,
        _ => 0,
    };
    let level = |quiet: u8| match quiet.saturating_add(arguments.verbose) {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let (client, service) = match arguments.command {
        Command::Demo(_) | Command::Doctor(_) if arguments.verbose == 0 => ("off", "off"),
        _ => (level(0), level(quiet)),
    };
    // Only our own crates: others might log what they are given.
    let filter = format!("off,dps_client={client},dps_emulator={service}");
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(|| output::Log)
        .log_internal_errors(false)
        .with_target(false)
        .init();
}
