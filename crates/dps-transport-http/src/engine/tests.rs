//! The engine, byte by byte.

use super::*;
use core::time::Duration;
use dps_core::sas::UnsignedToken;
use dps_core::wire::MAX_MESSAGE_BYTES;
use dps_core::{IdScope, RegistrationId, Reply, SymmetricKey, TpmKeys};

const BODY: &str = r#"{"registrationId":"dev1"}"#;
const ASSIGNING: &str = r#"{"operationId":"4.a.b","status":"assigning"}"#;
/// `Tue, 14 Nov 2023 22:13:20 GMT`.
const WALL_CLOCK: u64 = 1_700_000_000;

fn now() -> Now {
    Now::new(Timestamp::new(Duration::ZERO), WALL_CLOCK)
}

fn identity(id: &str) -> Identity {
    Identity {
        id_scope: IdScope::new("0ne00111111").unwrap(),
        registration_id: RegistrationId::new(id).unwrap(),
    }
}

fn opening() -> Opening {
    let key = SymmetricKey::from_bytes(&[7; 32]).unwrap();
    Opening {
        identity: identity("dev1"),
        credentials: Credentials::SasToken(UnsignedToken::new("r", 1).sign(&key)),
        request: Request::Register { body: BODY.into() },
    }
}

fn poll() -> Request {
    Request::Poll { operation_id: "4.a.b".into() }
}

fn sent(engine: &mut HttpTransport) -> String {
    let mut bytes = Vec::new();
    engine.transmit(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

fn opened() -> HttpTransport {
    let mut engine = HttpTransport::new("dps.example", HTTPS_PORT);
    engine.open(now(), opening()).unwrap();
    let _ = sent(&mut engine);
    engine
}

/// What the engine makes of `bytes` that come at once.
fn answer(bytes: &[u8]) -> (Result<(), Error>, Vec<TransportEvent>) {
    let mut engine = opened();
    let result = engine.receive(now(), bytes);
    (result, events(&mut engine))
}

fn events(engine: &mut HttpTransport) -> Vec<TransportEvent> {
    core::iter::from_fn(|| engine.poll_event()).collect()
}

fn reply(status: u16, retry_after: Option<u64>, body: &str) -> TransportEvent {
    TransportEvent::Reply(Reply {
        status,
        retry_after: retry_after.map(Duration::from_secs),
        body: body.into(),
    })
}

fn sized(line: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {line}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[track_caller]
fn broken(bytes: &[u8], because: &str) {
    let (result, events) = answer(bytes);
    let error = result.expect_err("it must be refused");
    assert_eq!(*error.kind(), ErrorKind::Protocol, "{error}");
    assert_eq!(error.stage(), Stage::Register);
    assert!(error.to_string().contains(because), "{error}");
    assert_eq!(events, []);
}

#[test]
fn the_opening_is_the_register_request() {
    let mut engine = HttpTransport::new("dps.example", HTTPS_PORT);
    engine.open(now(), opening()).unwrap();
    let text = sent(&mut engine);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, BODY);
    let mut lines = head.split("\r\n");
    assert_eq!(
        lines.next(),
        Some("PUT /0ne00111111/registrations/dev1/register?api-version=2021-06-01 HTTP/1.1")
    );
    let mut headers: Vec<&str> = lines.collect();
    assert_eq!(headers.remove(0), "host: dps.example", "the first header");
    let token = headers.pop().unwrap();
    assert!(token.starts_with("authorization: SharedAccessSignature sr=r&sig="), "{token}");
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            "accept: application/json",
            "content-length: 25",
            "content-type: application/json; charset=utf-8",
            concat!("user-agent: libdps/", env!("CARGO_PKG_VERSION")),
        ]
    );
    assert_eq!(events(&mut engine), []);
    engine.ready(now());
    assert_eq!(events(&mut engine), [TransportEvent::Connected]);
}

#[test]
fn the_host_header_names_an_unusual_port_and_brackets_an_ipv6_address() {
    for (host, port, expected) in [
        ("dps.example", 443, "dps.example"),
        ("dps.example", 8443, "dps.example:8443"),
        ("127.0.0.1", 444, "127.0.0.1:444"),
        ("::1", 443, "[::1]"),
        ("::1", 8443, "[::1]:8443"),
    ] {
        let mut engine = HttpTransport::new(host, port);
        engine.open(now(), opening()).unwrap();
        let text = sent(&mut engine);
        assert!(text.contains(&format!("\r\nhost: {expected}\r\n")), "{text}");
    }
}

#[test]
fn a_registration_may_carry_on_with_a_poll() {
    let mut engine = HttpTransport::new("dps.example", HTTPS_PORT);
    let credentials = Credentials::ClientCertificate;
    let request = Request::Poll { operation_id: "4.a/b?c".into() };
    let opening = Opening { identity: identity("Dev:1.a_b-c"), credentials, request };
    engine.open(now(), opening).unwrap();
    let text = sent(&mut engine);
    let line = "GET /0ne00111111/registrations/Dev%3A1.a_b-c/operations/4.a%2Fb%3Fc?api-version=2021-06-01 HTTP/1.1\r\n";
    assert!(text.starts_with(line), "{text}");
    assert!(text.ends_with("\r\n\r\n"), "no body");
    // A client certificate needs no Authorization, a request without a body no Content-*.
    for header in ["authorization", "content-", "transfer-encoding"] {
        assert!(!text.contains(header), "{text}");
    }
}

#[test]
fn the_longest_names_fit_into_a_request() {
    let host = "h".repeat(253);
    let id = format!("{}a", ":".repeat(127));
    let operation_id = "/".repeat(512);
    let identity = Identity { id_scope: IdScope::new("s".repeat(128)).unwrap(), ..identity(&id) };
    let resource =
        dps_core::sas::registration_resource(&identity.id_scope, &identity.registration_id);
    let key = SymmetricKey::from_bytes(&[7; 32]).unwrap();
    let credentials = Credentials::SasToken(UnsignedToken::new(resource, 1).sign(&key));
    for (request, line) in [
        (Request::Register { body: BODY.into() }, "PUT "),
        (Request::Poll { operation_id }, "GET "),
    ] {
        let mut engine = HttpTransport::new(host.clone(), 65_535);
        let opening =
            Opening { identity: identity.clone(), credentials: credentials.clone(), request };
        engine.open(now(), opening).unwrap();
        let text = sent(&mut engine);
        assert!(text.starts_with(line), "{text}");
        assert!(text.contains(&format!("/registrations/{}a/", "%3A".repeat(127))), "{text}");
        assert!(text.contains(&format!("\r\nhost: {host}:65535\r\n")), "{text}");
    }
}

#[test]
fn one_connection_carries_register_and_polls() {
    let mut engine = opened();
    let bytes = sized("202 Accepted", "Retry-After: 3\r\n", ASSIGNING);
    engine.receive(now(), bytes.as_bytes()).unwrap();
    assert_eq!(events(&mut engine), [reply(202, Some(3), ASSIGNING)]);
    for _ in 0..3 {
        engine.send(now(), poll()).unwrap();
        let text = sent(&mut engine);
        assert!(text.starts_with("GET /0ne00111111/registrations/dev1/operations/4.a.b?"));
        assert!(text.contains("\r\nauthorization: SharedAccessSignature sr=r&"), "{text}");
        engine.receive(now(), sized("200 OK", "", "{}").as_bytes()).unwrap();
        assert_eq!(events(&mut engine), [reply(200, None, "{}")]);
    }
    assert_eq!(engine.next_timeout(), None);
}

#[test]
fn any_split_of_the_stream_gives_the_same_reply() {
    let chunked = "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\nRetry-After: 3\r\n\r\n\
        a;x=y\r\n{\"operatio\r\n22\r\nnId\":\"4.a.b\",\"status\":\"assigning\"}\r\n0\r\nTrailer: x\r\n\r\n";
    let interim = "HTTP/1.1 100 Continue\r\nDate: x\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
        HTTP/1.1 100 Continue\r\n\r\n";
    let sized = sized("202 Accepted", "retry-after:3\r\n", ASSIGNING);
    for stream in [chunked.to_owned(), sized.clone(), interim.to_owned() + &sized] {
        for cut in 0..=stream.len() {
            let mut engine = opened();
            let (head, tail) = stream.as_bytes().split_at(cut);
            engine.receive(now(), head).unwrap();
            if cut < stream.len() {
                assert_eq!(events(&mut engine), [], "cut at {cut}");
            }
            engine.receive(now(), tail).unwrap();
            assert_eq!(events(&mut engine), [reply(202, Some(3), ASSIGNING)], "cut at {cut}");
        }
        let mut engine = opened();
        for byte in stream.as_bytes() {
            engine.receive(now(), &[*byte]).unwrap();
        }
        assert_eq!(events(&mut engine), [reply(202, Some(3), ASSIGNING)]);
    }
}

#[test]
fn the_pause_may_be_seconds_or_a_date() {
    for (text, expected) in [
        ("3", Some(3)),
        ("900", Some(300)),
        ("0", Some(1)),
        ("Tue, 14 Nov 2023 22:13:27 GMT", Some(7)),
        ("Tue, 14 Nov 2023 22:13:10 GMT", Some(1)),
        ("soon", None),
        ("\u{e9}", None),
    ] {
        let bytes = sized("429 Too Many Requests", &format!("Retry-After: {text}\r\n"), "");
        let (result, events) = answer(bytes.as_bytes());
        result.unwrap();
        assert_eq!(events, [reply(429, expected, "")], "{text}");
    }
}

#[test]
fn refusals_are_replies_with_their_body() {
    let challenge = r#"{"message":"Authorization required","authenticationKey":"AAAA"}"#;
    for (line, status) in [
        ("400 Bad Request", 400),
        ("401 Unauthorized", 401),
        ("404 Not Found", 404),
        ("500 Internal Server Error", 500),
        ("503 ", 503),
        ("503", 503),
    ] {
        let (result, events) = answer(sized(line, "", challenge).as_bytes());
        result.unwrap();
        assert_eq!(events, [reply(status, None, challenge)]);
    }
}

#[test]
fn replies_without_a_body_end_with_their_headers() {
    for line in ["204 No Content", "304 Not Modified"] {
        let (result, events) = answer(format!("HTTP/1.1 {line}\r\n\r\n").as_bytes());
        result.unwrap();
        assert!(
            matches!(events.as_slice(), [TransportEvent::Reply(reply)] if reply.body.is_empty())
        );
    }
}

#[test]
fn a_redirect_is_a_reply_of_no_further_use() {
    let bytes = sized("307 Temporary Redirect", "Location: https://evil.example/\r\n", "go there");
    let (result, events) = answer(bytes.as_bytes());
    result.unwrap();
    assert_eq!(events, [reply(307, None, "")]);
}

#[test]
fn a_service_that_closes_says_so_after_its_reply() {
    let closing = sized("202 Accepted", "Connection: close\r\n", ASSIGNING);
    let old = closing.replace("HTTP/1.1", "HTTP/1.0").replace("Connection: close\r\n", "");
    for bytes in [closing, old] {
        let mut engine = opened();
        engine.receive(now(), bytes.as_bytes()).unwrap();
        assert_eq!(events(&mut engine), [reply(202, None, ASSIGNING), TransportEvent::Closing]);
        let error = engine.send(now(), poll()).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
        assert!(error.is_transient());
        assert_eq!(sent(&mut engine), "");
        engine.receive(now(), b"whatever comes now").unwrap();
        assert_eq!(events(&mut engine), []);
        // The next connection is a good one.
        engine.open(now(), Opening { request: poll(), ..opening() }).unwrap();
        assert!(sent(&mut engine).starts_with("GET "));
        engine.receive(now(), sized("200 OK", "", "{}").as_bytes()).unwrap();
        assert_eq!(events(&mut engine), [reply(200, None, "{}")]);
    }
}

#[test]
fn a_body_that_ends_with_the_connection_is_refused_where_it_matters() {
    broken(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}", "its length");
    // A gateway's word that the service is away needs no body to be understood.
    let (result, events) = answer(b"HTTP/1.0 503 Service Unavailable\r\n\r\n<html>");
    result.unwrap();
    assert_eq!(events, [reply(503, None, ""), TransportEvent::Closing]);
}

#[test]
fn what_intermediaries_could_read_otherwise_is_refused() {
    let both = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n";
    broken(both.as_bytes(), "both Transfer-Encoding and Content-Length");
    for coding in [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding:",
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{coding}\r\n\r\n0\r\n\r\n");
        broken(bytes.as_bytes(), "transfer coding");
    }
    broken(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "transfer coding");
    for headers in [
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2, 3",
        "Content-Length: +2",
        "Content-Length: 0x2",
        "Content-Length: -1",
        "Content-Length:",
        "X-Folded: a\r\n b\r\nContent-Length: 2",
        "Content-Length : 2",
        " Content-Length: 2",
        "Bad Name: x\r\nContent-Length: 2",
    ] {
        broken(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{{}}").as_bytes(), "not an HTTP reply");
    }
    let repeated = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(answer(repeated).1, [reply(200, None, "{}")], "the same length twice is harmless");
}

#[test]
fn more_than_the_reply_is_an_error_after_the_reply() {
    let bytes = sized("202 Accepted", "", ASSIGNING) + "HTTP/1.1 200 OK\r\n";
    let (result, events) = answer(bytes.as_bytes());
    assert_eq!(events, [reply(202, None, ASSIGNING)]);
    assert!(result.unwrap_err().to_string().contains("more than the reply"));
    let mut engine = opened();
    engine.receive(now(), sized("202 Accepted", "", ASSIGNING).as_bytes()).unwrap();
    let error = engine.receive(now(), b"H").unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Protocol);
}

#[test]
fn sizes_are_limited() {
    let filler = "x".repeat(17 * 1024);
    broken(format!("HTTP/1.1 200 OK\r\nX: {filler}\r\n").as_bytes(), "headers exceed");
    let whole = sized("200 OK", &format!("X: {filler}\r\n"), "{}");
    broken(whole.as_bytes(), "headers exceed");
    let many = sized("200 OK", &"X: y\r\n".repeat(200), "{}");
    broken(many.as_bytes(), "not an HTTP reply");

    let most = "x".repeat(MAX_MESSAGE_BYTES);
    assert_eq!(answer(sized("200 OK", "", &most).as_bytes()).1, [reply(200, None, &most)]);
    let announced = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MAX_MESSAGE_BYTES + 1);
    broken(announced.as_bytes(), "at most 98304 bytes");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()
        + &chunk.repeat(MAX_MESSAGE_BYTES / 4096);
    let good = chunks.clone() + "0\r\n\r\n";
    assert_eq!(answer(good.as_bytes()).1, [reply(200, None, &most)]);
    broken((chunks + "1\r\nx\r\n").as_bytes(), "at most 98304 bytes");
    let start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    broken(format!("{start}0\r\nTrailer: {filler}").as_bytes(), "after the last chunk");
    broken(format!("{start}{filler}").as_bytes(), "between chunks");
    for size in ["x", "-1", "fffffffffffffffff", ""] {
        broken(format!("{start}{size}\r\n").as_bytes(), "not an HTTP body");
    }
}

#[test]
fn interim_replies_are_skipped_but_not_for_ever() {
    let last = sized("202 Accepted", "", ASSIGNING);
    for interim in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 Processing\r\nA: b\r\n\r\n"] {
        let mut engine = opened();
        engine.receive(now(), (interim.repeat(8) + &last).as_bytes()).unwrap();
        assert_eq!(events(&mut engine), [reply(202, None, ASSIGNING)]);
        // Each request may have as many.
        engine.send(now(), poll()).unwrap();
        engine.receive(now(), (interim.repeat(8) + &last).as_bytes()).unwrap();
        assert_eq!(events(&mut engine), [reply(202, None, ASSIGNING)]);
        broken((interim.repeat(9) + &last).as_bytes(), "more than 8 interim replies");
    }
}

#[test]
fn trailers_are_skipped_but_not_for_ever() {
    let start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n";
    let wide = format!("{}: x\r\n", "t".repeat(100));
    for (trailers, accepted) in [
        ("T: x\r\n".repeat(32), true),
        ("T: x\r\n".repeat(33), false),
        (wide.repeat(30), true),
        (format!("T: {}\r\n", "x".repeat(5000)), false),
        (format!("T: {}\r\n", "x".repeat(3000)).repeat(2), false),
    ] {
        let stream = format!("{start}{trailers}\r\n");
        let byte_by_byte = || {
            let mut engine = opened();
            let result = stream.bytes().try_for_each(|byte| engine.receive(now(), &[byte]));
            (result, events(&mut engine))
        };
        for (result, events) in [answer(stream.as_bytes()), byte_by_byte()] {
            if accepted {
                result.unwrap();
                assert_eq!(events, [reply(200, None, "{}")]);
            } else {
                let error = result.unwrap_err();
                assert_eq!(*error.kind(), ErrorKind::Protocol);
                assert!(error.to_string().contains("after the last chunk"), "{error}");
                assert_eq!(events, []);
            }
        }
    }
    // One at a time, without an end.
    let mut engine = opened();
    engine.receive(now(), start.as_bytes()).unwrap();
    let refused = (0..1000).find(|_| engine.receive(now(), b"T: x\r\n").is_err());
    assert_eq!(refused, Some(32));
}

#[test]
fn nothing_is_owed_between_a_reply_and_the_next_request() {
    let mut engine = HttpTransport::new("dps.example", HTTPS_PORT);
    assert!(!engine.owes_nothing(), "there is no connection");
    engine.open(now(), opening()).unwrap();
    assert!(!engine.owes_nothing());
    let bytes = sized("202 Accepted", "", ASSIGNING);
    let (most, last) = bytes.as_bytes().split_at(bytes.len() - 1);
    engine.receive(now(), most).unwrap();
    assert!(!engine.owes_nothing());
    engine.receive(now(), last).unwrap();
    assert!(engine.owes_nothing());
    engine.send(now(), poll()).unwrap();
    assert!(!engine.owes_nothing());
    engine.receive(now(), bytes.as_bytes()).unwrap();
    assert!(engine.owes_nothing());
    assert!(engine.receive(now(), b"too much").is_err());
    assert!(!engine.owes_nothing());
}

#[test]
fn an_oversize_request_is_refused_with_the_limit() {
    let mut engine = HttpTransport::new("dps.example", HTTPS_PORT);
    let request = Request::Register { body: "x".repeat(MAX_MESSAGE_BYTES + 1) };
    let error = engine.open(now(), Opening { request, ..opening() }).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::TooLarge { limit: MAX_MESSAGE_BYTES });
    assert_eq!(sent(&mut engine), "");
}

#[test]
fn other_protocols_are_named_at_once() {
    for bytes in [&b"\x20\x02\x00\x00"[..], b"AMQP\x00\x01\x00\x00", b"HTTP/2", b"h", b"\r\n"] {
        broken(bytes, "does not speak HTTP/1.1");
    }
    broken(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "101");
    broken(b"HTTP/1.1 099 Low\r\n\r\n", "not an HTTP reply");
    broken(b"HTTP/1.1 2x0 OK\r\n\r\n", "not an HTTP reply");
}

#[test]
fn a_reply_may_come_before_the_request_is_on_its_way() {
    let mut engine = HttpTransport::new("dps.example", HTTPS_PORT);
    engine.open(now(), opening()).unwrap();
    engine.receive(now(), sized("429 Slow Down", "", "").as_bytes()).unwrap();
    assert_eq!(events(&mut engine), [reply(429, None, "")]);
    assert!(sent(&mut engine).ends_with(BODY), "the rest must follow, or the next is misread");
}

#[test]
fn a_further_request_waits_for_the_reply_to_the_one_before_and_drops_it() {
    let mut engine = opened();
    engine.send(now(), poll()).unwrap();
    assert_eq!(sent(&mut engine), "");
    engine.receive(now(), sized("202 Accepted", "", ASSIGNING).as_bytes()).unwrap();
    assert_eq!(events(&mut engine), []);
    assert!(sent(&mut engine).starts_with("GET "));
    engine.receive(now(), sized("200 OK", "", "{}").as_bytes()).unwrap();
    assert_eq!(events(&mut engine), [reply(200, None, "{}")]);
}

#[test]
fn a_new_connection_starts_afresh() {
    let mut engine = opened();
    engine.receive(now(), b"HTTP/1.1 200 OK\r\nContent-Le").unwrap();
    engine.open(now(), opening()).unwrap();
    assert!(sent(&mut engine).starts_with("PUT "));
    engine.receive(now(), sized("202 Accepted", "", ASSIGNING).as_bytes()).unwrap();
    assert_eq!(events(&mut engine), [reply(202, None, ASSIGNING)]);
    engine.close();
    engine.receive(now(), b"anything").unwrap();
    assert_eq!((events(&mut engine), sent(&mut engine)), (Vec::new(), String::new()));
}

#[test]
fn debug_shows_no_token() {
    let mut engine = HttpTransport::new("dps.example", HTTPS_PORT);
    engine.open(now(), opening()).unwrap();
    assert!(!format!("{engine:?}").contains("sig"));
}

fn with_tpm(token: Option<SasToken>) -> Opening {
    let keys = TpmKeys { endorsement_key: vec![1], storage_root_key: vec![2] };
    Opening { credentials: Credentials::Tpm { keys, token }, ..opening() }
}

fn token() -> SasToken {
    UnsignedToken::new("t", 1).sign(&SymmetricKey::from_bytes(&[7; 32]).unwrap())
}

#[test]
fn a_tpm_asks_without_a_token_until_it_has_one() {
    const CHALLENGE: &str = r#"{"authenticationKey":"AAEC","keyName":"registration"}"#;
    let mut engine = HttpTransport::new("dps.example", HTTPS_PORT);
    engine.open(now(), with_tpm(None)).unwrap();
    assert!(!sent(&mut engine).contains("authorization"));
    engine.receive(now(), sized("401 Unauthorized", "", CHALLENGE).as_bytes()).unwrap();
    assert_eq!(events(&mut engine), [reply(401, None, CHALLENGE)]);
    engine.authenticate(now(), token()).unwrap();
    assert_eq!(sent(&mut engine), "", "only the next request carries it");
    let register = Request::Register { body: BODY.into() };
    engine.send(now(), register).unwrap();
    let text = sent(&mut engine);
    assert!(
        text.starts_with("PUT ") && text.contains("\r\nauthorization: SharedAccessSignature sr=t&")
    );
    engine.receive(now(), sized("202 Accepted", "", ASSIGNING).as_bytes()).unwrap();
    engine.send(now(), poll()).unwrap();
    let text = sent(&mut engine);
    assert!(
        text.starts_with("GET ") && text.contains("\r\nauthorization: SharedAccessSignature sr=t&")
    );

    // The next connection may have it from the start.
    engine.open(now(), with_tpm(Some(token()))).unwrap();
    assert!(sent(&mut engine).contains("\r\nauthorization: SharedAccessSignature sr=t&"));
}

#[test]
fn a_proof_is_only_taken_from_a_tpm_on_an_open_connection() {
    let error = opened().authenticate(now(), token()).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Protocol);
    let mut engine = HttpTransport::new("dps.example", HTTPS_PORT);
    engine.open(now(), with_tpm(None)).unwrap();
    engine.close();
    let error = engine.authenticate(now(), token()).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
}
