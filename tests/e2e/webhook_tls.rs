//! The webhook of a custom allocation over HTTPS: trusted certificates are, others are not.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{RegistrationId, SymmetricKey, Transport};
use dps_emulator::{ConfigError, Emulator, EmulatorConfig, EmulatorError};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_tests::{Authority, Fleet, tls_server};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Answers questions over TLS, one at a time; gives the body of each that came through, or what
/// TLS has against the caller.
fn webhook(config: Arc<ServerConfig>) -> (SocketAddr, Receiver<Result<String, String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, questions) = channel();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut reader = BufReader::new(StreamOwned::new(connection, socket));
            let question = read(&mut reader).map_err(|error| error.to_string());
            if question.is_ok() {
                let body = r#"{"iotHubHostName":"contoso-hub.localhost","payload":"by TLS"}"#;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let stream = reader.get_mut();
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            }
            if seen.send(question).is_err() {
                return;
            }
        }
    });
    (address, questions)
}

fn read(
    reader: &mut BufReader<StreamOwned<ServerConnection, std::net::TcpStream>>,
) -> std::io::Result<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(String::from_utf8(body).unwrap())
}

/// A service whose device `asking` is asked about at `url`.
fn fleet(url: &str, trusted: Option<String>) -> Fleet {
    let yaml = format!(
        "
enrollments:
  - registrationId: asking
    attestation: {{type: symmetricKey, symmetricKey: {{primaryKey: {KEY}}}}}
    allocationPolicy: custom
    customAllocationDefinition: {{webhookUrl: '{url}', apiVersion: '2021-10-01'}}
"
    );
    let asking = EmulatorConfig::from_yaml(&yaml).unwrap();
    Fleet::start_with(|config| {
        config.enrollments = asking.enrollments;
        config.webhook_trusted_certificates = trusted;
        config.webhook_timeout = Duration::from_secs(10);
    })
}

fn register(fleet: &Fleet) -> Result<dps_client::Assignment, dps_client::Error> {
    let key = SymmetricKey::from_base64(KEY).unwrap();
    let hsm = SymmetricKeyHsm::new(RegistrationId::new("asking").unwrap(), key);
    fleet.client(Transport::Mqtt, hsm).build().unwrap().register()
}

#[test]
fn a_webhook_with_a_trusted_certificate_is_asked() {
    let (server, ca) = tls_server();
    let (address, questions) = webhook(server);
    let fleet = fleet(&format!("https://localhost:{}/allocate", address.port()), Some(ca));
    let assigned = register(&fleet).unwrap();
    assert_eq!(assigned.hub, "contoso-hub.localhost");
    assert_eq!(assigned.payload.as_deref(), Some(r#""by TLS""#));
    let question = questions.recv_timeout(Duration::from_secs(5)).unwrap().unwrap();
    assert!(question.contains(r#""registrationId":"asking""#), "{question}");
}

#[test]
fn a_webhook_that_is_not_trusted_learns_nothing_and_fails_the_registration() {
    let stranger = || Authority::root("somebody else").pem();
    let (server, ca) = tls_server();
    let (address, questions) = webhook(server);
    let port = address.port();
    for (host, trusted) in [
        ("localhost", Some(stranger())),
        ("localhost", None),
        // Trusted, but for another name.
        ("other.localhost", Some(ca)),
    ] {
        let fleet = fleet(&format!("https://{host}:{port}/allocate"), trusted);
        let error = register(&fleet).unwrap_err();
        let said = error.service().unwrap();
        assert_eq!(said.error_code, Some(400_207), "{host}: {error}");
        assert!(said.message.as_ref().unwrap().contains("could not be reached"), "{error}");
        // The name below localhost may lead nowhere here: then nothing was heard of it at all.
        if host == "localhost" {
            let seen = questions.recv_timeout(Duration::from_secs(5)).unwrap();
            assert!(seen.is_err(), "it was told {seen:?}");
        }
    }
    assert!(!questions.try_iter().any(|seen| seen.is_ok()), "it was told something");
}

#[test]
fn trust_that_cannot_be_read_is_told_at_the_start() {
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----"] {
        let mut config = EmulatorConfig::default();
        config.mqtt_port = 0;
        config.webhook_trusted_certificates = Some(pem.into());
        let error = Emulator::start(config).unwrap_err();
        assert!(matches!(error, EmulatorError::Config(ConfigError::BadWebhookTrust)), "{error}");
    }
}
