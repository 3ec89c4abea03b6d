//! `dps emulator`.

pub(crate) mod hosts;
mod open_files;

use crate::arguments;
use crate::exit;
use crate::failure::Failure;
use crate::{files, output};
use dps_client::SymmetricKey;
use dps_emulator::{Emulator, EmulatorConfig, Summary};
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

pub(crate) fn run(options: &arguments::Emulator) -> Result<(), Failure> {
    let mut config = match &options.config {
        Some(path) => read_config(path)?,
        None => EmulatorConfig::default(),
    };
    if let Some(address) = options.address {
        config.address = address;
    }
    if let Some(port) = options.mqtt_port {
        config.mqtt_port = port;
    }
    if options.https_port.is_some() {
        config.https_port = options.https_port;
    }
    if options.amqp_port.is_some() {
        config.amqp_port = options.amqp_port;
    }
    if options.state.is_some() {
        config.state_file = options.state.clone();
    }
    config.server_names.extend(options.server_name.iter().cloned());
    // Scripts wait for this file to appear: one of an earlier run must not deceive them.
    if let Some(path) = &options.ready_file
        && path.is_file()
    {
        fs::remove_file(path).map_err(|error| Failure::file("replace", path, &error))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(exit::OTHER, "no runtime for signals").why(error))?;
    // Listens for signals before it says that it is ready, so that none is missed.
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()
            .map_err(|error| Failure::new(exit::OTHER, "signals cannot be handled").why(error))?
    };
    if let Some(note) = open_files::raise_limit() {
        output::error(format_args!("note: {note}\n"));
    }
    let emulator = Emulator::start(config)
        .map_err(|error| Failure::new(exit::CONFIG, "the service did not start").why(error))?;
    let summary = emulator.summary();
    if let Some(path) = &options.ca_out {
        write_file(path, summary.ca_pem.as_bytes(), false)?;
    }
    let json = Zeroizing::new(
        serde_json::to_string_pretty(&summary)
            .map_err(|error| Failure::new(exit::OTHER, "no JSON summary").why(error))?,
    );
    if options.json {
        output::line(json.as_str());
    } else {
        print_text(&summary, options.ca_out.as_deref());
    }
    if let Some(path) = &options.ready_file {
        write_file(path, json.as_bytes(), true)?;
    }
    let stopped = runtime.block_on(async {
        loop {
            tokio::select! {
                () = signals.next() => return true,
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    if !emulator.is_serving() {
                        return false;
                    }
                }
            }
        }
    });
    emulator.stop();
    if !stopped {
        return Err(Failure::new(exit::OTHER, "the service has stopped by itself")
            .remedy("this is a defect: please report it with the log"));
    }
    if !options.json {
        output::line("Stopped.");
    }
    Ok(())
}

fn read_config(path: &Path) -> Result<EmulatorConfig, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
    EmulatorConfig::from_yaml(&text).map_err(|error| {
        Failure::new(exit::CONFIG, format!("{} is not a valid configuration", path.display()))
            .why(error)
    })
}

fn print_text(summary: &Summary, ca_out: Option<&Path>) {
    output::line("Provisioning service ready. Everything below is for testing only.\n");
    for (protocol, door) in [
        ("MQTT over TLS", &summary.mqtt),
        ("AMQP over TLS", &summary.amqp),
        ("HTTPS, WebSockets", &summary.https),
    ] {
        // An IPv6 address needs its brackets.
        let (open, close) = if door.host.contains(':') { ("[", "]") } else { ("", "") };
        output::line(format_args!("  {protocol:<17} {open}{}{close}:{}", door.host, door.port));
    }
    output::line(format_args!("  ID scope          {}", summary.id_scope));
    output::line(format_args!("  Hubs              {}", summary.hubs.join(", ")));
    for group in &summary.enrollment_groups {
        output::line(format_args!("  Enrollment group  {}", group.enrollment_group_id));
        print_keys(&group.primary_key, &group.secondary_key);
        for certificate in &group.signing_certificates {
            output::line(format_args!("    signed by       {}", certificate.subject_name));
        }
    }
    for enrollment in &summary.enrollments {
        output::line(format_args!("  Enrollment        {}", enrollment.registration_id));
        if let Some(id) = &enrollment.device_id {
            output::line(format_args!("    device id       {id}"));
        }
        print_keys(&enrollment.primary_key, &enrollment.secondary_key);
        for certificate in &enrollment.client_certificates {
            output::line(format_args!("    SHA-256         {}", certificate.sha256_thumbprint));
        }
    }
    output::line(format_args!("  Service API       {}", summary.connection_string));
    output::line(format_args!("  Web page          {}", summary.page_url));
    output::line(format_args!("  Page token        {}", summary.page_token));
    match ca_out {
        Some(path) => output::line(format_args!("  CA certificate    {}", path.display())),
        None => output::line(format_args!("\n{}", summary.ca_pem.trim_end())),
    }
    output::line("\nInterrupt it (Ctrl-C) to stop.");
}

/// The keys of a test service are there to be used.
fn print_keys(primary: &Option<SymmetricKey>, secondary: &Option<SymmetricKey>) {
    for (name, key) in [("primary key", primary), ("secondary key", secondary)] {
        if let Some(key) = key {
            output::line(format_args!("    {name:<15} {}", key.to_base64().as_str()));
        }
    }
}

/// Writes the whole file or nothing: readers wait for it to appear. What holds keys is readable
/// by its owner only. Something other than a file (a pipe, a device) is written to as it is, and
/// a link's target is replaced, not the link.
fn write_file(path: &Path, bytes: &[u8], secret: bool) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::file("write", path, &error);
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&target).is_ok_and(|found| !found.is_file()) {
        return fs::OpenOptions::new()
            .write(true)
            .open(&target)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(failed);
    }
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let partial = target.with_file_name(name);
    let written = files::create(&partial, secret)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&partial, &target));
    written.map_err(|error| {
        let _ = fs::remove_file(&partial);
        failed(error)
    })
}

/// The signals that ask a service to stop.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
