//! What a program that logs everything gets to see: no key, token or password, whatever library
//! below us writes the line.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{Proxy, Transport};
use dps_tests::{Fleet, Proof, RunningProxy};
use std::sync::Mutex;

/// Every line of every library that logs by the crate `log`; what logs by `tracing` gets there
/// too, since nobody else takes it.
static LINES: Mutex<String> = Mutex::new(String::new());

struct Everything;

impl log::Log for Everything {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // The service's own threads are another matter: in a program they would be elsewhere.
        if std::thread::current().name() == Some("device") {
            let mut lines = LINES.lock().unwrap();
            lines.push_str(&format!("{}: {}\n", record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn nothing_secret_is_logged_by_any_transport() {
    log::set_logger(&Everything).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let fleet = Fleet::start();
    let running = RunningProxy::start(Some(("operator", "s3cretive")));
    let proxy = Proxy::parse(&format!("http://operator:s3cretive@{}", running.address())).unwrap();
    let key = {
        let groups = fleet.emulator.groups();
        let mut keys = groups.iter().filter_map(|group| group.symmetric_keys());
        keys.next().unwrap().primary.to_base64().as_str().to_owned()
    };
    for transport in Transport::ALL {
        let client = fleet.device(transport, Proof::KeyGroup, "chatty").proxy(proxy.clone());
        let mut client = client.build().unwrap();
        std::thread::scope(|scope| {
            let device = std::thread::Builder::new().name("device".into());
            let run = device.spawn_scoped(scope, || client.register()).unwrap();
            run.join().unwrap().unwrap();
        });
        let lines = std::mem::take(&mut *LINES.lock().unwrap());
        assert!(!lines.is_empty(), "{transport}: nobody logs anything, so this shows nothing");
        let lower = lines.to_lowercase();
        for secret in ["SharedAccessSignature", "sig=", "s3cretive", "b3BlcmF0b3I6", key.as_str()] {
            let found = lines.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{transport}: {secret}");
            assert!(!lower.contains(&hex(secret)), "{transport}: {secret} in hexadecimal");
        }
    }
}
