//! The door over a stream in memory, with the clock of the runtime under control.

mod faults;
mod reserve;

use super::*;
use crate::config::{EmulatorConfig, IndividualEnrollmentConfig};
use crate::random::Random;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::time::Duration;
use dps_core::{RegistrationId, SymmetricKey};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const REGISTER: &str = "/0ne00111111/registrations/dev1/register?api-version=2021-06-01";
const LOOKUP: &str = "/0ne00111111/registrations/dev1?api-version=2021-06-01";

/// A client and the task that serves it.
struct Client {
    stream: DuplexStream,
    service: Arc<Service>,
    door: JoinHandle<io::Result<()>>,
}

/// One response.
#[derive(Debug)]
struct Answer {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"));
        serde_json::from_str(&self.body).unwrap()
    }

    /// Checks that it is an error document of this status and code.
    #[track_caller]
    fn assert_error(&self, line: &str, code: u32, words: &str) {
        assert_eq!(self.line, format!("HTTP/1.1 {line}"));
        let document = self.json();
        assert_eq!(document["errorCode"], code);
        assert_eq!(self.header("x-ms-error-code"), Some(code.to_string().as_str()));
        assert!(document["message"].as_str().unwrap().contains(words), "{document}");
        assert_eq!(document["trackingId"].as_str().unwrap().len(), 36);
    }
}

impl Client {
    fn new() -> Self {
        Self::at(Place::Open)
    }

    fn at(place: Place) -> Self {
        let id = RegistrationId::new("dev1").unwrap();
        let key = SymmetricKey::from_base64(KEY).unwrap();
        let config = EmulatorConfig {
            assignment_delay: Duration::ZERO,
            enrollment_groups: Vec::new(),
            enrollments: vec![IndividualEnrollmentConfig::new(id).with_keys(key.clone(), key)],
            ..EmulatorConfig::default()
        };
        let service = Arc::new(Service::new(&config, Random::from_seed([4; 32])).unwrap());
        let (stream, other) = duplex(1 << 20);
        let serving = serve_https_to(other, service.clone(), Vec::new(), None, place);
        let door = tokio::spawn(serving);
        Self { stream, service, door }
    }

    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n").map(str::to_owned);
        let line = lines.next().unwrap();
        let pair = |line: String| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        };
        let mut answer = Answer { line, headers: lines.map(pair).collect(), body: String::new() };
        assert_eq!(answer.header("transfer-encoding"), None);
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    async fn ask(&mut self, method: &str, target: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        self.send(&format!(
            "{method} {target} HTTP/1.1\r\nHost: dps.test\r\n{headers}content-length: {length}\r\n\r\n{body}"
        ))
        .await;
        self.answer().await
    }

    /// Waits until the door closes; gives why and after how long.
    async fn closed(mut self) -> (io::Result<()>, Duration, Vec<u8>) {
        let begin = Instant::now();
        let ended = self.door.await.unwrap();
        let elapsed = begin.elapsed();
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        (ended, elapsed, rest)
    }
}

/// An Authorization header for this device.
fn token(id: &str) -> String {
    let (sr, se) = (format!("0ne00111111/registrations/{id}"), 4_000_000_000_u64);
    let key = SymmetricKey::from_base64(KEY).unwrap();
    let sig = STANDARD.encode(key.hmac_sha256(format!("{sr}\n{se}").as_bytes()));
    let sig = sig.replace('+', "%2B");
    format!("authorization: SharedAccessSignature sr={sr}&sig={sig}&se={se}\r\n")
}

fn switch(target: &str, protocols: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: dps.test\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocols}\r\n"
    )
}

#[tokio::test]
async fn a_whole_registration_on_one_connection() {
    let mut client = Client::new();
    let none = client.ask("POST", LOOKUP, &token("dev1"), "").await;
    none.assert_error("404 Not Found", 404_201, "Registration not found");

    let body = r#"{"registrationId":"DEV1","payload":[1]}"#;
    let answer = client.ask("PUT", REGISTER, &token("dev1"), body).await;
    assert_eq!(answer.line, "HTTP/1.1 202 Accepted");
    let register = "https://dps.test/0ne00111111/registrations/dev1/register";
    assert_eq!(answer.header("location"), Some(register));
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert_eq!(answer.header("x-ms-request-id").unwrap().len(), 36);
    assert!(answer.header("date").is_some());
    let json = answer.json();
    assert_eq!(json["status"], "assigning");
    let id = json["operationId"].as_str().unwrap();

    // The Node.js client sends a body with its poll.
    let target = format!("/0ne00111111/registrations/dev1/operations/{id}?api-version=2019-03-31");
    let answer = client.ask("GET", &target, &token("dev1"), "{}").await;
    assert_eq!(answer.line, "HTTP/1.1 200 OK");
    assert_eq!((answer.header("location"), answer.header("retry-after")), (None, None));
    let json = answer.json();
    assert_eq!((&json["status"], &json["operationId"]), (&"assigned".into(), &id.into()));
    let state = &json["registrationState"];
    assert_eq!(state["assignedHub"], "contoso-hub.localhost");

    let answer = client.ask("POST", LOOKUP, &token("dev1"), body).await;
    assert_eq!(answer.line, "HTTP/1.1 200 OK");
    assert_eq!(answer.json(), *state, "the lookup gives what the poll gave");
    let csr = client.ask("POST", LOOKUP, &token("dev1"), r#"{"csr":"AAAA"}"#).await;
    csr.assert_error("400 Bad Request", 400_004, "not a valid DeviceRegistration");
    let operation = target.replace(id, "5.0.0");
    let unknown = client.ask("GET", &operation, &token("dev1"), "").await;
    unknown.assert_error("404 Not Found", 404_203, "Operation not found");
}

#[tokio::test]
async fn bodies_may_be_empty_blank_chunked_or_without_an_id() {
    let mut client = Client::new();
    for body in ["", " ", "{}", r#"{"payload":null}"#] {
        let answer = client.ask("PUT", REGISTER, &token("dev1"), body).await;
        assert_eq!(answer.line, "HTTP/1.1 202 Accepted", "{body:?}");
    }
    // Any api-version, other parameters, other cases of the names, a percent-encoded path.
    for target in [
        REGISTER.replace("2021-06-01", "2017-08-31-preview"),
        REGISTER.to_owned() + "&forceRegistration=true",
        REGISTER.replace("api-version", "x=y&API-Version"),
        REGISTER.replace("0ne00111111", "0NE00111111").replace("dev1", "%64ev1"),
    ] {
        let answer = client.ask("PUT", &target, &token("dev1"), "").await;
        assert_eq!(answer.line, "HTTP/1.1 202 Accepted", "{target}");
    }
    let chunked = format!(
        "PUT {REGISTER} HTTP/1.1\r\nhost: x\r\n{}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n",
        token("dev1")
            .to_uppercase()
            .replace(&token("dev1").to_uppercase()[14..], &token("dev1")[14..])
    );
    client.send(&chunked).await;
    assert_eq!(client.answer().await.line, "HTTP/1.1 202 Accepted");
}

#[tokio::test]
async fn each_refusal_has_its_error_document() {
    let mut client = Client::new();
    let good = token("dev1");
    let bad = good.replace("&sig=", "&sig=A");
    let other = REGISTER.replace("dev1", "dev2");
    let operations = "/0ne00111111/registrations/dev1/operations/1.2.3";
    for (method, target, headers, body, line, code, words) in [
        ("PUT", REGISTER, bad.as_str(), "", "401 Unauthorized", 401_000, "Unauthorized"),
        ("PUT", REGISTER, "", "", "401 Unauthorized", 401_002, "Unauthorized"),
        ("PUT", REGISTER, "Authorization: Basic eDp5\r\n", "", "401 Unauthorized", 401_002, ""),
        ("PUT", &other, &token("dev2"), "", "404 Not Found", 404_201, "Enrollment not found"),
        ("PUT", REGISTER, &good, "[]", "400 Bad Request", 400_004, "DeviceRegistration"),
        (
            "PUT",
            "/0ne00111111/registrations/dev1/register",
            &good,
            "",
            "400 Bad Request",
            400_002,
            "api-version",
        ),
        ("GET", operations, &good, "", "400 Bad Request", 400_002, "api-version"),
        (
            "PUT",
            "/0ne00111111/registrations/d%20v/register?api-version=1",
            &good,
            "",
            "400 Bad Request",
            400_002,
            "registration id",
        ),
        (
            "PUT",
            "/0ne00111111/registrations/%ff/register?api-version=1",
            &good,
            "",
            "400 Bad Request",
            400_002,
            "UTF-8",
        ),
        ("GET", "/nope", &good, "", "404 Not Found", 404_000, "Path"),
        (
            "PUT",
            "/0ne00111111/registrations//register?api-version=1",
            &good,
            "",
            "400 Bad Request",
            400_002,
            "registration id",
        ),
        ("POST", REGISTER, &good, "", "405 Method Not Allowed", 405_000, "Method"),
        ("DELETE", LOOKUP, &good, "", "405 Method Not Allowed", 405_000, "Method"),
        ("POST", "/mqtt", &good, "", "405 Method Not Allowed", 405_000, "Method"),
    ] {
        let answer = client.ask(method, target, headers, body).await;
        answer.assert_error(line, code, words);
    }
    let post = client.ask("POST", REGISTER, &good, "").await;
    assert_eq!(post.header("allow"), Some("PUT"));
}

#[tokio::test]
async fn a_request_names_one_host_that_can_be_one() {
    let operations = "/0ne00111111/registrations/dev1/operations/1.2.3?api-version=1";
    let requests = [("PUT", REGISTER), ("GET", operations), ("GET", "/nope"), ("DELETE", LOOKUP)];
    for hosts in [
        "",
        "Host: a.test\r\nHost: a.test\r\n",
        "Host: a.test\r\nhost: b.test\r\n",
        "Host:\r\n",
        "Host: a test\r\n",
        "Host: a.test/x\r\n",
        "Host: a.test, b.test\r\n",
        "Host: user@a.test\r\n",
        "Host: a.test:x\r\n",
        "Host: a.test:99999\r\n",
        "Host: a.test:1:2\r\n",
        "Host: :443\r\n",
        "Host: [::1\r\n",
        "Host: [a.test]\r\n",
        "Host: ::1\r\n",
        "Host: a%2test\r\n",
        "Host: a\u{e4}.test\r\n",
        "Host: https://a.test\r\n",
    ] {
        for (method, target) in requests {
            let mut client = Client::new();
            let headers = format!("{hosts}{}content-length: 0", token("dev1"));
            client.send(&format!("{method} {target} HTTP/1.1\r\n{headers}\r\n\r\n")).await;
            let answer = client.answer().await;
            answer.assert_error("400 Bad Request", 400_002, "Host");
            assert_eq!(answer.header("location"), None);
        }
        let mut client = Client::new();
        let text = switch("/mqtt", "Sec-WebSocket-Protocol: mqtt\r\n");
        client.send(&text.replace("Host: dps.test\r\n", hosts)).await;
        client.answer().await.assert_error("400 Bad Request", 400_002, "Host");
    }
    for host in ["a.test", "A-1.test:8443", "127.0.0.1:1", "[::1]:443", "[::1]", "x:", "%61_~!x"] {
        let mut client = Client::new();
        let headers = format!("Host: {host} \r\n{}content-length: 0", token("dev1"));
        client.send(&format!("PUT {REGISTER} HTTP/1.1\r\n{headers}\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_eq!(answer.line, "HTTP/1.1 202 Accepted", "{host}");
        let register = format!("https://{host}/0ne00111111/registrations/dev1/register");
        assert_eq!(answer.header("location"), Some(register.as_str()));
    }
}

#[tokio::test]
async fn http_1_0_may_name_no_host() {
    let mut client = Client::new();
    let headers = format!("{}content-length: 0", token("dev1"));
    client.send(&format!("PUT {REGISTER} HTTP/1.0\r\n{headers}\r\n\r\n")).await;
    let answer = client.answer().await;
    assert_eq!(answer.line, "HTTP/1.0 202 Accepted");
    let location = answer.header("location").unwrap();
    assert!(location.starts_with("https://global.azure-devices-provisioning.net/"), "{location}");
}

#[tokio::test]
async fn no_path_takes_head() {
    let operations = "/0ne00111111/registrations/dev1/operations/1.2.3?api-version=1";
    for (target, allow) in [(operations, "GET"), ("/mqtt", "GET"), (REGISTER, "PUT")] {
        for method in ["HEAD", "DELETE"] {
            let mut client = Client::new();
            let headers = format!("Host: x\r\nConnection: close\r\n{}", token("dev1"));
            client.send(&format!("{method} {target} HTTP/1.1\r\n{headers}\r\n")).await;
            let (_, _, rest) = client.closed().await;
            let text = String::from_utf8(rest).unwrap().to_lowercase();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with("http/1.1 405 method not allowed"),
                "{method} {target}: {head}"
            );
            let lines: Vec<&str> = head.lines().filter(|line| line.starts_with("allow:")).collect();
            assert_eq!(lines, [format!("allow: {}", allow.to_lowercase())], "{method} {target}");
            assert_eq!(body.is_empty(), method == "HEAD", "{method} {target}: {body}");
        }
    }
}

#[tokio::test]
async fn a_body_of_96_kb_is_the_largest() {
    let filler = "x".repeat(96 * 1024 - r#"{"payload":""}"#.len());
    let most = format!(r#"{{"payload":"{filler}"}}"#);
    let mut client = Client::new();
    let answer = client.ask("PUT", REGISTER, &token("dev1"), &most).await;
    assert_eq!(answer.line, "HTTP/1.1 202 Accepted");
    let answer = client.ask("PUT", REGISTER, &token("dev1"), &(most + " ")).await;
    answer.assert_error("413 Payload Too Large", 413_000, "96 KB");
}

#[tokio::test]
async fn what_is_no_request_ends_the_connection() {
    for text in [
        "\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000)),
        "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
    ] {
        let mut client = Client::new();
        client.send(&text).await;
        let (ended, _, rest) = client.closed().await;
        assert!(ended.is_err());
        let rest = String::from_utf8(rest).unwrap();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 4"), "{rest}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_cannot_hold_the_connection_for_ever() {
    // Nothing at all; a head that never ends, fed slowly.
    let (ended, elapsed, _) = Client::new().closed().await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(elapsed.as_secs(), 10);
    let mut client = Client::new();
    let begin = Instant::now();
    for byte in ["G", "E", "T", " ", "/", "x"] {
        client.send(byte).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(client.closed().await.0.is_err());
    assert_eq!(begin.elapsed().as_secs(), 10);

    // Between two requests, longer than the longest pause of a device.
    let mut client = Client::new();
    for _ in 0..2 {
        client.ask("PUT", REGISTER, &token("dev1"), "").await;
        tokio::time::sleep(Duration::from_secs(300)).await;
    }
    client.ask("PUT", REGISTER, &token("dev1"), "").await;
    let (ended, elapsed, _) = client.closed().await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(elapsed.as_secs(), 600);

    // A second request that is begun and not finished.
    let mut client = Client::new();
    client.ask("PUT", REGISTER, &token("dev1"), "").await;
    client.send("PUT /").await;
    assert_eq!(client.closed().await.1.as_secs(), 10);

    // A body that does not come.
    let mut client = Client::new();
    let begin = Instant::now();
    let head = format!("PUT {REGISTER} HTTP/1.1\r\nHost: x\r\n{}", token("dev1"));
    client.send(&format!("{head}content-length: 9\r\n\r\n{{")).await;
    client.answer().await.assert_error("408 Request Timeout", 408_000, "in time");
    assert_eq!(begin.elapsed().as_secs(), 10);
    let _ = client.closed().await;
    assert!(begin.elapsed().as_secs() <= 610);
}

#[tokio::test]
async fn the_switch_to_websocket_names_the_subprotocol_as_offered() {
    for (target, offer, chosen) in [
        ("/$iothub/websocket", "Sec-WebSocket-Protocol: mqtt\r\n", "mqtt"),
        (
            "/$iothub/websocket?iothub-no-client-cert=true",
            "sec-websocket-protocol:MQTT\r\n",
            "MQTT",
        ),
        ("/", "Sec-WebSocket-Protocol: x, Mqtt , mqtt\r\n", "Mqtt"),
        ("/", "Sec-WebSocket-Protocol: AMQPWSB10, mqtt\r\n", "AMQPWSB10"),
        ("/mqtt?a=b", "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: mqtt\r\n", "mqtt"),
    ] {
        let mut client = Client::new();
        client.send(&switch(target, offer)).await;
        let answer = client.answer().await;
        assert_eq!(answer.line, "HTTP/1.1 101 Switching Protocols", "{target}");
        assert_eq!(answer.header("sec-websocket-protocol"), Some(chosen));
        assert_eq!(answer.header("connection"), Some("Upgrade"));
        assert_eq!(answer.header("upgrade"), Some("websocket"));
        // The example of RFC 6455 section 1.3.
        assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
}

#[tokio::test]
async fn a_bad_switch_is_refused_and_the_connection_goes_on() {
    let mut client = Client::new();
    let good = switch("/mqtt", "Sec-WebSocket-Protocol: mqtt\r\n");
    for (text, line, code, words) in [
        (switch("/mqtt", ""), "400 Bad Request", 400_002, "mqtt"),
        (switch("/mqtt", "Sec-WebSocket-Protocol: mqttv5\r\n"), "400 Bad Request", 400_002, "mqtt"),
        (good.replace("upgrade: WebSocket\r\n", ""), "426 Upgrade Required", 426_000, "WebSockets"),
        (good.replace(", Upgrade", ""), "426 Upgrade Required", 426_000, "WebSockets"),
        (good.replace(": 13", ": 8"), "426 Upgrade Required", 426_000, "13"),
        (good.replace("==", ""), "400 Bad Request", 400_002, "Key"),
        (good.replace("dGhl", ""), "400 Bad Request", 400_002, "Key"),
        (good.replace("/mqtt", "/amqp"), "404 Not Found", 404_000, "Path"),
    ] {
        client.send(&text).await;
        let answer = client.answer().await;
        answer.assert_error(line, code, words);
        if code == 426_000 {
            assert_eq!(answer.header("upgrade"), Some("websocket"));
            assert_eq!(answer.header("sec-websocket-version"), Some("13"));
        }
    }
    let answer = client.ask("PUT", REGISTER, &token("dev1"), "").await;
    assert_eq!(answer.line, "HTTP/1.1 202 Accepted");
}

#[tokio::test]
async fn browsers_find_the_page_where_other_clients_ask_for_a_websocket() {
    let mut client = Client::new();
    let page = client.ask("GET", "/", "", "").await;
    assert_eq!(page.line, "HTTP/1.1 200 OK");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.body.starts_with("<!doctype html>"));
    let named = page.body.split('"').filter(|text| text.starts_with("/page/"));
    let named: Vec<String> = named.map(str::to_owned).collect();
    assert_eq!(named.len(), 3, "icon, style and script: {named:?}");
    for file in named {
        let file = client.ask("GET", &file, "", "").await;
        assert_eq!(file.line, "HTTP/1.1 200 OK");
        for answer in [&page, &file] {
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        }
    }
    for missing in ["/page/nothing.js", "/page/..%2Findex.html", "/page/", "/page"] {
        let answer = client.ask("GET", missing, "", "").await;
        answer.assert_error("404 Not Found", 404_000, "Path");
    }
    client.ask("POST", "/page/main.js", "", "").await.assert_error(
        "405 Method Not Allowed",
        405_000,
        "Method",
    );
    // Whoever wants a WebSocket, even in a way that is not understood, gets no page.
    let answer = client.ask("GET", "/", "Upgrade: websocket\r\n", "").await;
    answer.assert_error("426 Upgrade Required", 426_000, "WebSockets");
    let answer = client.ask("GET", "/mqtt", "", "").await;
    answer.assert_error("426 Upgrade Required", 426_000, "WebSockets");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_events_is_answered_when_there_is_one_or_time_is_over() {
    let mut client = Client::new();
    let service = client.service.clone();
    let bearer = format!("authorization: Bearer {}\r\n", service.page_token());
    // Much happens, but no event.
    let stirring = tokio::spawn({
        let service = service.clone();
        async move {
            loop {
                service.events().stir();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let begin = Instant::now();
    let answer = client.ask("GET", "/admin/events?waitSeconds=2", &bearer, "").await;
    assert_eq!(answer.json(), serde_json::json!({"events": [], "last": 0}));
    // The service's own clock is not the runtime's.
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    stirring.abort();
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    let begin = Instant::now();
    client
        .send(&format!("GET /admin/events?waitSeconds=30 HTTP/1.1\r\nHost: x\r\n{bearer}\r\n"))
        .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let hub = crate::events::Event::new(crate::events::Kind::HubLinked).hub("a.test");
    service.events().add(hub, None);
    let told = client.answer().await.json();
    assert_eq!((&told["last"], &told["events"][0]["kind"]), (&1.into(), &"hubLinked".into()));
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    // A number of an earlier start.
    let begin = Instant::now();
    client.ask("GET", "/admin/events?after=9&waitSeconds=30", &bearer, "").await;
    assert!(begin.elapsed() < Duration::from_secs(1));
}
