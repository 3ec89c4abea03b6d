//! Where the commands that manage a service find it: options go before the environment, and the
//! way there may lead through a proxy.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_tests::{ConnectProxy, Finished, Fleet, Folder, run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

/// No name server knows it.
const NAME: &str = "dps.test.invalid";
/// A good connection string to a place where nobody is.
const NOWHERE: &str = "HostName=127.0.0.1:1;SharedAccessKeyName=owner;SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

struct Site {
    fleet: Fleet,
    folder: Folder,
}

impl Site {
    fn new() -> Self {
        let fleet = Fleet::start_with(|config| config.server_names = vec![NAME.into()]);
        let folder = Folder::new("service-login");
        std::fs::write(folder.path().join("ca.pem"), fleet.emulator.ca_pem()).unwrap();
        std::fs::write(folder.path().join("login"), &*fleet.emulator.connection_string()).unwrap();
        Self { fleet, folder }
    }

    /// The connection string with another host.
    fn at(&self, host: &str) -> String {
        let connection = self.fleet.emulator.connection_string();
        format!("HostName={host};{}", connection.split_once(';').unwrap().1)
    }

    fn dps(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
        for name in ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy"]
            .into_iter()
            .chain(["ALL_PROXY", "no_proxy", "NO_PROXY", "DPS_CONNECTION_STRING"])
        {
            command.env_remove(name);
        }
        command.args(arguments).arg("--trusted-cert").arg(self.folder.path().join("ca.pem"));
        command.envs(environment.iter().copied());
        run(&mut command, Duration::from_secs(30))
    }
}

#[test]
fn an_option_goes_before_the_environment() {
    let site = Site::new();
    let file = site.folder.path().join("login");
    let file = file.to_str().unwrap();
    let good = site.fleet.emulator.connection_string();
    let nowhere = [("DPS_CONNECTION_STRING", NOWHERE)];
    let list = ["enrollment", "list"];
    assert_eq!(site.dps(&list, &nowhere).code, Some(4));
    site.dps(&[&list[..], &["--login-file", file]].concat(), &nowhere).success();
    site.dps(&[&list[..], &["--login", &good]].concat(), &nowhere).success();
    site.dps(&list, &[("DPS_CONNECTION_STRING", &good)]).success();
    let both = site.dps(&[&list[..], &["--login", &good, "--login-file", file]].concat(), &[]);
    assert_eq!(both.code, Some(2), "{}", both.stderr);
    let empty = site.dps(&list, &[("DPS_CONNECTION_STRING", "")]);
    assert_eq!(empty.code, Some(2));
    assert!(empty.stderr.contains("there is no connection string"), "{}", empty.stderr);
}

#[test]
fn the_proxy_is_that_of_the_option_or_of_https_proxy_but_for_no_proxy() {
    let site = Site::new();
    let proxy = ConnectProxy::start(site.fleet.emulator.https_address(), None);
    let url = format!("http://{}", proxy.address());
    let bare = proxy.address().to_string();
    let far = site.at(NAME);
    let near = site.fleet.emulator.connection_string();
    let list = ["enrollment", "list"];
    let tunnels = || proxy.requests().len();

    for name in ["HTTPS_PROXY", "https_proxy"] {
        let before = tunnels();
        site.dps(&list, &[("DPS_CONNECTION_STRING", &far), (name, &bare)]).success();
        assert_eq!(tunnels(), before + 1, "{name}");
    }
    let wanted = format!("CONNECT {NAME}:443 HTTP/1.1");
    assert!(proxy.requests().iter().all(|line| *line == wanted), "{:?}", proxy.requests());
    let option = [&list[..], &["--proxy", &url]].concat();
    site.dps(&option, &[("DPS_CONNECTION_STRING", &far), ("HTTPS_PROXY", "127.0.0.1:1")]).success();

    // None of these is to be gone through, and the name leads nowhere.
    let before = tunnels();
    for environment in [
        vec![("HTTPS_PROXY", url.as_str()), ("NO_PROXY", NAME)],
        vec![("HTTPS_PROXY", url.as_str()), ("no_proxy", ".invalid")],
        vec![("HTTP_PROXY", url.as_str()), ("ALL_PROXY", url.as_str())],
        vec![("https_proxy", ""), ("HTTPS_PROXY", url.as_str())],
    ] {
        let login = [("DPS_CONNECTION_STRING", far.as_str())];
        let finished = site.dps(&list, &[&login[..], &environment].concat());
        assert_eq!(finished.code, Some(4), "{environment:?}: {}", finished.stderr);
    }
    let option = [&list[..], &["--no-proxy"]].concat();
    let ignored = [("DPS_CONNECTION_STRING", far.as_str()), ("HTTPS_PROXY", url.as_str())];
    assert_eq!(site.dps(&option, &ignored).code, Some(4));
    // Nor to this machine.
    site.dps(&list, &[("DPS_CONNECTION_STRING", &near), ("HTTPS_PROXY", &url)]).success();
    assert_eq!(tunnels(), before);

    let wrong = [("DPS_CONNECTION_STRING", far.as_str()), ("HTTPS_PROXY", "socks5://u:s3cret@p")];
    let wrong = site.dps(&list, &wrong);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("HTTPS_PROXY is not a proxy"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("s3cret"), "{}", wrong.stderr);
}

#[test]
fn keys_are_set_from_files_and_made_up_anew() {
    let site = Site::new();
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    std::fs::write(site.folder.path().join("key"), key).unwrap();
    let file = site.folder.path().join("key");
    let file = file.to_str().unwrap();
    let login = site.fleet.emulator.connection_string();
    let environment = [("DPS_CONNECTION_STRING", login.as_str())];
    for (kind, id) in [("enrollment", "key-device"), ("enrollment-group", "key-group")] {
        let keys = || {
            let show = [kind, "show", "--eid", id, "--show-keys", "--json"];
            let shown = site.dps(&show, &environment).success().stdout;
            let shown: Value = serde_json::from_str(&shown).unwrap();
            let keys = &shown["attestation"]["symmetricKey"];
            ["primaryKey", "secondaryKey"].map(|name| keys[name].as_str().unwrap().to_owned())
        };
        let update = |options: &[&str]| {
            let finished =
                site.dps(&[&[kind, "update", "--eid", id], options].concat(), &environment);
            assert!(!finished.stdout.contains(key), "{}", finished.stdout);
            finished
        };
        let [first, second] = keys();
        update(&["--secondary-key-file", file]).success();
        assert_eq!(keys(), [first.clone(), key.to_owned()]);
        update(&["--pk-file", file]).success();
        assert_eq!(keys(), [key, key]);
        update(&["--renew-key", "both"]).success();
        let [one, two] = keys();
        let all = BTreeSet::from([key, &first, &second, &one, &two]);
        assert_eq!((all.len(), one.len(), two.len()), (5, 88, 88), "64 new bytes each");
        update(&["--renew-key", "primary", "--sk-file", file]).success();
        let [renewed, kept] = keys();
        assert!(renewed != one && kept == key);
        update(&["--regenerate-key", "secondary"]).success();
        assert!(keys()[0] == renewed && keys()[1] != key);
        let both = update(&["--renew-key", "both", "--primary-key-file", file]);
        assert_eq!(both.code, Some(2), "{}", both.stderr);
    }
    let none = ["enrollment-group", "update", "--eid", "x509-group", "--renew-key", "primary"];
    let none = site.dps(&none, &environment);
    assert_eq!(none.code, Some(2), "{}", none.stderr);
    assert!(none.stderr.contains("no symmetric keys"), "{}", none.stderr);
}

#[test]
fn a_list_ends_where_it_is_told_to() {
    let site = Site::new();
    let login = site.fleet.emulator.connection_string();
    let environment = [("DPS_CONNECTION_STRING", login.as_str())];
    for (top, count) in [("0", 0), ("1", 1), ("2", 2), ("9", 2)] {
        let list = ["enrollment", "list", "--top", top, "--json"];
        let listed = site.dps(&list, &environment).success().stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), count);
    }
}
