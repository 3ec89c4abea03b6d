//! Keys in PKCS#11 tokens by the `dps` command, which is SoftHSM here.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "pkcs11")]
mod tokens {
    use dps_client::Transport;
    use dps_tests::{Finished, Fleet, KeyKind, PIN, SoftHsm, run};
    use serde_json::Value;
    use std::path::Path;
    use std::time::Duration;

    fn dps(hsm: &SoftHsm, arguments: &[&str]) -> Finished {
        let mut command = hsm.command(env!("CARGO_BIN_EXE_dps"));
        command.args(arguments).env("PKCS11_MODULE_PATH", SoftHsm::module());
        for name in ["PKCS11_PIN", "PROVISIONING_SYMMETRIC_KEY", "HTTPS_PROXY", "https_proxy"] {
            command.env_remove(name);
        }
        run(&mut command, Duration::from_secs(30))
    }

    fn text(path: &Path) -> &str {
        path.to_str().unwrap()
    }

    /// Registers over MQTT; the exit code, and the JSON on standard output.
    fn register(hsm: &SoftHsm, fleet: &Fleet, more: &[&str]) -> (Option<i32>, Value) {
        let trust = hsm.file("ca.pem", fleet.emulator.ca_pem());
        let (endpoint, scope) =
            (fleet.endpoint(Transport::Mqtt).to_string(), fleet.emulator.id_scope());
        let service = ["register", "--endpoint", &endpoint, "--id-scope", scope];
        let output = ["--trusted-cert", text(&trust), "--output", "json"];
        let done = dps(hsm, &[&service[..], &output, more].concat());
        (done.code, serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}")))
    }

    #[test]
    fn a_device_registers_with_a_certificate_whose_key_is_in_a_token() {
        let (hsm, fleet) = (SoftHsm::start(&["fleet", "spare"]), Fleet::start());
        let chain = fleet.chain("dev7", KeyKind::P256);
        hsm.import_pair("fleet", "dev7", "07", KeyKind::P256.pem());
        hsm.import_pair("fleet", "other", "08", KeyKind::Rsa.pem());
        hsm.import_certificate("spare", "dev7", "07", &chain);
        let (pem, pin) = (hsm.file("device.pem", &chain), hsm.file("pin", PIN));
        let pin = ["--pin-file", text(&pin)];
        let key = ["--cert-key", "pkcs11:token=fleet"];
        let go = |more: &[&[&str]]| register(&hsm, &fleet, &more.concat());

        let (code, value) = go(&[&["--cert", text(&pem)], &key, &pin]);
        assert_eq!((code, &value["deviceId"]), (Some(0), &"dev7".into()), "{value}");
        let in_uri = format!("pkcs11:token=fleet?pin-value={PIN}");
        let (code, value) = go(&[&["--cert", text(&pem), "--cert-key", &in_uri]]);
        assert_eq!(code, Some(0), "{value}");

        // The certificate on a token: of its chain only what is there can be sent.
        let (code, value) = go(&[&["--cert", "pkcs11:token=spare;object=dev7"], &key, &pin]);
        assert_eq!((code, &value["status"]), (Some(6), &"error".into()), "{value}");

        let wrong = hsm.file("wrong", "0000");
        for (arguments, expected, words) in [
            (&[&["--cert", text(&pem)], &key[..]].concat(), 2, "needs a PIN"),
            (
                &[&["--cert", text(&pem), "--pin-file", text(&wrong)], &key[..]].concat(),
                3,
                "the PIN is wrong",
            ),
            (&vec!["--cert", text(&pem), "--cert-key", "pkcs11:token=flet"], 3, "no token matches"),
            (&vec!["--cert", text(&pem), "--cert-key", "pkcs11:token=a b"], 2, "attribute token"),
            (
                &[&["--cert", text(&pem), "--pkcs11-module", "/no/such.so"], &key[..]].concat(),
                2,
                "/no/such.so does not exist",
            ),
            (
                &[
                    &["--cert", text(&pem), "--cert-key", "pkcs11:object=other;token=fleet"],
                    &pin[..],
                ]
                .concat(),
                3,
                "belongs to the certificate of",
            ),
        ] {
            let (code, value) = register(&hsm, &fleet, arguments);
            assert_eq!(code, Some(expected), "{value}");
            assert!(value["message"].as_str().unwrap().contains(words), "{value}");
        }
    }

    #[test]
    fn a_device_registers_with_a_symmetric_key_in_a_token() {
        let (hsm, fleet) = (SoftHsm::start(&["fleet"]), Fleet::start());
        let key = fleet.key_device();
        let key = dps_hsm_symm_key_bytes(key.key());
        hsm.import_secret("fleet", "device", &key);
        let pin = hsm.file("pin", PIN);
        let uri = "pkcs11:token=fleet;object=device";
        let device = ["--registration-id", "key-device", "--key", uri, "--pin-file", text(&pin)];
        let (code, value) = register(&hsm, &fleet, &device);
        assert_eq!((code, &value["deviceId"]), (Some(0), &"key-device".into()), "{value}");
        let (code, value) =
            register(&hsm, &fleet, &[&device[..], &["--show-connection-string"]].concat());
        assert_eq!(code, Some(2), "{value}");
        assert!(value["message"].as_str().unwrap().contains("stays in the token"), "{value}");
    }

    fn dps_hsm_symm_key_bytes(key: &dps_client::SymmetricKey) -> Vec<u8> {
        use std::process::Command;
        // As an operator does it.
        let mut decode = Command::new("base64");
        decode.arg("-d");
        let path = std::env::temp_dir().join(format!("dps-cli-key-{}", std::process::id()));
        std::fs::write(&path, key.to_base64().as_bytes()).unwrap();
        let output = decode.arg(&path).output().unwrap();
        std::fs::remove_file(path).unwrap();
        assert!(output.status.success());
        output.stdout
    }

    #[test]
    fn what_is_listed_can_be_pasted() {
        let (hsm, fleet) = (SoftHsm::start(&["fleet"]), Fleet::start());
        hsm.import_pair("fleet", "a b", "07", KeyKind::P256.pem());
        let pin = hsm.file("pin", PIN);
        let without = dps(&hsm, &["pkcs11", "list"]).success().stdout;
        assert!(without.contains("show with --pin-file"), "{without}");
        assert!(without.contains("type=public") && !without.contains("type=private"), "{without}");
        let list = ["pkcs11", "list", "pkcs11:type=private", "--json", "--pin-file", text(&pin)];
        let json: Value = serde_json::from_str(&dps(&hsm, &list).success().stdout).unwrap();
        let objects = json["tokens"][0]["objects"].as_array().unwrap();
        assert_eq!((objects.len(), &objects[0]["algorithm"]), (1, &"EC".into()), "{json}");
        let uri = objects[0]["uri"].as_str().unwrap();
        assert!(uri.contains("object=a%20b") && uri.contains("module-path="), "{uri}");
        let pem = hsm.file("device.pem", fleet.chain("dev8", KeyKind::P256));
        let arguments = ["--cert", text(&pem), "--cert-key", uri, "--pin-file", text(&pin)];
        let (code, value) = register(&hsm, &fleet, &arguments);
        assert_eq!(code, Some(0), "{value}");
        let nothing = dps(&hsm, &["pkcs11", "list", "pkcs11:token=flet"]).success().stdout;
        assert_eq!(nothing, "No token matches\n");
    }

    #[test]
    fn one_pin_is_tried_at_no_more_than_one_token() {
        let hsm = SoftHsm::start(&["fleet", "spare"]);
        for label in ["fleet", "spare"] {
            hsm.import_pair(label, "dev7", "07", KeyKind::P256.pem());
        }
        // Tried anywhere, it would be said to be wrong.
        let wrong = hsm.file("wrong", "0000");
        let several = dps(&hsm, &["pkcs11", "list", "--pin-file", text(&wrong)]);
        assert_eq!(several.code, Some(2), "{several:?}");
        for words in ["\"fleet\" (serial ", "\"spare\" (serial ", "'pkcs11:token="] {
            assert!(several.stderr.contains(words), "{words}: {several:?}");
        }
        assert!(!several.stderr.contains("PIN is wrong"), "{several:?}");
        let key = ["register", "--id-scope", "0ne1", "--registration-id", "dev7", "--key"];
        let key = [&key[..], &["pkcs11:object=dev7", "--pin-file", text(&wrong)]].concat();
        let several = dps(&hsm, &key);
        assert!(several.stderr.contains("several tokens match"), "{several:?}");

        // Without a PIN all are listed; with one, the token that the URI names.
        let all = dps(&hsm, &["pkcs11", "list"]).success().stdout;
        assert!(all.contains("Token \"fleet\"") && all.contains("Token \"spare\""), "{all}");
        let pin = hsm.file("pin", PIN);
        let named = ["pkcs11", "list", "pkcs11:token=spare", "--pin-file", text(&pin)];
        let named = dps(&hsm, &named).success().stdout;
        assert!(named.contains("type=private") && !named.contains("token=fleet"), "{named}");
    }
}

#[cfg(not(feature = "pkcs11"))]
#[test]
fn a_command_without_pkcs11_says_how_to_get_one_with_it() {
    let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let device = ["--id-scope", "0ne00000000", "--registration-id", "dev"];
    let with_key = [&["register", "--key", "pkcs11:token=a"], &device[..]].concat();
    let x509 = ["register", "--cert", certificate, "--cert-key", "pkcs11:token=a"];
    let with_certificate = [&x509, &device[..]].concat();
    for arguments in [&["pkcs11", "list"][..], &with_key, &with_certificate] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dps"));
        let done = dps_tests::run(command.args(arguments), std::time::Duration::from_secs(10));
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains("cargo build -p dps-cli --features pkcs11"), "{done:?}");
    }
}
