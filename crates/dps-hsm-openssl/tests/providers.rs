//! What loading providers leaves behind, each time in a process of its own.

// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use dps_core::{Hsm as _, Now};
use dps_hsm_openssl::{Providers, x509};
use rcgen::{CertificateParams, KeyPair};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dps-hsm-x509/test-keys/p256.pkcs8.pem");
const CHILD: &str = "DPS_TEST_OPENSSL_CHILD";

/// Runs the calling test again in a process of its own: `body`, and then that a key can be used.
fn and_then_keys_can_be_used(test: &str, body: impl FnOnce()) {
    if env::var_os(CHILD).is_none() {
        // What hangs is a failure.
        let mut again = Command::new("timeout");
        again.arg("120").arg(env::current_exe().unwrap());
        let done = again.args([test, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout);
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && text.contains("1 passed"), "{text}{errors}");
        return;
    }
    body();
    use_key();
}

fn chain() -> String {
    let key = KeyPair::from_pem(&fs::read_to_string(KEY).unwrap()).unwrap();
    let params = CertificateParams::new(vec!["device".to_owned()]).unwrap();
    params.self_signed(&key).unwrap().pem()
}

fn use_key() {
    let chain = chain();
    x509(chain.as_bytes(), &format!("file:{KEY}"), "").unwrap();
    x509(chain.as_bytes(), &format!("file:{KEY}"), "provider=default").unwrap();
}

#[test]
fn one_that_cannot_be_loaded_changes_nothing() {
    and_then_keys_can_be_used("one_that_cannot_be_loaded_changes_nothing", || {
        assert!(Providers::load(&["no-such-provider"]).is_err());
    });
}

#[test]
fn what_was_loaded_before_a_failure_changes_nothing() {
    and_then_keys_can_be_used("what_was_loaded_before_a_failure_changes_nothing", || {
        assert!(Providers::load(&["default", "no-such-provider"]).is_err());
        assert!(Providers::load(&["base", "no-such-provider"]).is_err());
    });
}

#[test]
fn what_is_loaded_leaves_openssls_own_in_use() {
    and_then_keys_can_be_used("what_is_loaded_leaves_openssls_own_in_use", || {
        Providers::load(&["base"]).unwrap();
    });
}

#[test]
fn a_failure_after_the_first_use_changes_nothing() {
    and_then_keys_can_be_used("a_failure_after_the_first_use_changes_nothing", || {
        use_key();
        assert!(Providers::load(&["default", "no-such-provider"]).is_err());
    });
}

#[test]
fn others_use_keys_while_providers_come_and_fail() {
    and_then_keys_can_be_used("others_use_keys_while_providers_come_and_fail", || {
        std::thread::scope(|scope| {
            for number in 0..4 {
                scope.spawn(move || {
                    for _ in 0..100 {
                        if number % 2 == 0 {
                            assert!(Providers::load(&["default", "no-such-provider"]).is_err());
                            Providers::load(&["default", "base"]).unwrap();
                        } else {
                            use_key();
                        }
                    }
                });
            }
        });
    });
}

/// The file store reads what it is asked for, and from a pipe into which nobody writes comes nothing.
#[test]
fn one_that_hangs_does_not_keep_other_keys_from_being_used() {
    let name = "one_that_hangs_does_not_keep_other_keys_from_being_used";
    and_then_keys_can_be_used(name, || {
        let now = Now::new(Default::default(), 1_900_000_000);
        let mut earlier = x509(chain().as_bytes(), &format!("file:{KEY}"), "").unwrap();
        let identity = earlier.client_identity(now).unwrap();
        let signs = || {
            let key = identity.key();
            assert!(!key.sign(key.schemes()[0], b"message").unwrap().is_empty());
        };
        let folder = env::temp_dir().join(format!("dps-hsm-openssl-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let pipe = folder.join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (uri, chain) = (format!("file:{}", pipe.display()), chain());
        let hangs = thread::spawn(move || x509(chain.as_bytes(), &uri, ""));
        // Opens as soon as the other end is.
        let writer = fs::File::options().write(true).open(&pipe).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let begun = Instant::now();
        signs();
        let waited = begun.elapsed();
        assert!(Duration::from_secs(9) < waited && waited < Duration::from_secs(60), "{waited:?}");
        // Nobody waits for it again.
        let begun = Instant::now();
        signs();
        Providers::load(&["base"]).unwrap();
        use_key();
        assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
        assert!(!hangs.is_finished());
        // It finds no key, and says so.
        drop(writer);
        assert!(hangs.join().unwrap().is_err());
    });
}
