//! `dps emulator`.

use crate::arguments;
use crate::exit;
use crate::failure::Failure;
use dps_emulator::{Emulator, EmulatorConfig, Summary};
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
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
        println!("{}", json.as_str());
    } else {
        print_text(&summary, options.ca_out.as_deref());
    }
    // A closed standard output must not keep the service from running.
    let _ = io::stdout().flush();
    if let Some(path) = &options.ready_file {
        write_file(path, json.as_bytes(), true)?;
    }
    runtime.block_on(signals.next());
    emulator.stop();
    if !options.json {
        println!("Stopped.");
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
    let mqtt = &summary.mqtt;
    println!("Provisioning service ready. Everything below is for testing only.\n");
    println!("  MQTT over TLS     {}:{}", mqtt.host, mqtt.port);
    println!("  ID scope          {}", summary.id_scope);
    println!("  Hubs              {}", summary.hubs.join(", "));
    for group in &summary.enrollment_groups {
        println!("  Enrollment group  {}", group.enrollment_group_id);
        for (name, key) in
            [("primary key", &group.primary_key), ("secondary key", &group.secondary_key)]
        {
            if let Some(key) = key {
                println!("    {name:<15} {}", key.to_base64().as_str());
            }
        }
        for certificate in &group.signing_certificates {
            println!("    signed by       {}", certificate.subject_name);
        }
    }
    for enrollment in &summary.enrollments {
        println!("  Enrollment        {}", enrollment.registration_id);
        if let Some(key) = &enrollment.primary_key {
            println!("    primary key     {}", key.to_base64().as_str());
        }
        for certificate in &enrollment.client_certificates {
            println!("    SHA-256         {}", certificate.sha256_thumbprint);
        }
    }
    match ca_out {
        Some(path) => println!("  CA certificate    {}", path.display()),
        None => println!("\n{}", summary.ca_pem.trim_end()),
    }
    println!("\nInterrupt it (Ctrl-C) to stop.");
}

/// Writes the whole file or nothing: readers wait for it to appear. What holds keys is readable
/// by its owner only.
fn write_file(path: &Path, bytes: &[u8], secret: bool) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let partial = path.with_file_name(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let written = options
        .open(&partial)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&partial, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&partial);
        Failure::file("write", path, &error)
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
