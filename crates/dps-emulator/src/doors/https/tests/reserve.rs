//! A connection that is kept for operators.

use super::*;

#[track_caller]
fn assert_last(answer: &Answer) {
    assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
}

#[tokio::test]
async fn operators_are_served_once() {
    for (path, line) in [
        ("/", "HTTP/1.1 200 OK"),
        ("/page/page.css", "HTTP/1.1 200 OK"),
        // They have not said who they are.
        ("/admin/faults", "HTTP/1.1 401 Unauthorized"),
        ("/enrollments/one?api-version=2021-10-01", "HTTP/1.1 401 Unauthorized"),
    ] {
        let mut client = Client::at(Place::Reserve);
        let answer = client.ask("GET", path, "", "").await;
        assert_eq!(answer.line, line, "{path}");
        assert_last(&answer);
        assert!(client.closed().await.0.is_ok());
        let answer = Client::new().ask("GET", path, "", "").await;
        assert_eq!((answer.line.as_str(), answer.header("connection")), (line, None));
    }
}

#[tokio::test]
async fn devices_are_told_to_come_again() {
    const FULL: &str = "503 Service Unavailable";
    for target in [REGISTER, LOOKUP, "/page/registrations/dev1/register?api-version=2021-06-01"] {
        let mut client = Client::at(Place::Reserve);
        // The body comes later.
        client.send(&format!("PUT {target} HTTP/1.1\r\nHost: x\r\n{}", token("dev1"))).await;
        client.send("content-length: 2\r\n\r\n").await;
        tokio::task::yield_now().await;
        client.send("{}").await;
        let answer = client.answer().await;
        answer.assert_error(FULL, 503_000, "Too many connections.");
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert_last(&answer);
        let (ended, _, rest) = client.closed().await;
        assert!(ended.is_ok() && rest.is_empty());
    }
    for target in ["/$iothub/websocket", "/"] {
        let mut client = Client::at(Place::Reserve);
        client.send(&switch(target, "Sec-WebSocket-Protocol: mqtt\r\n")).await;
        let answer = client.answer().await;
        answer.assert_error(FULL, 503_000, "Too many connections.");
        assert_last(&answer);
        assert!(client.closed().await.0.is_ok());
    }
    let mut client = Client::at(Place::Reserve);
    client.send(&format!("PUT {REGISTER} HTTP/1.1\r\n\r\n")).await;
    let answer = client.answer().await;
    assert_eq!(answer.line, "HTTP/1.1 400 Bad Request");
    assert_last(&answer);
}
