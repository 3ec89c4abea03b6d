//! A connection that is kept for operators.

use super::*;

#[tokio::test]
async fn operators_are_served() {
    let mut client = Client::at(Place::Reserve);
    for (path, line) in [
        ("/", "HTTP/1.1 200 OK"),
        ("/page/page.css", "HTTP/1.1 200 OK"),
        // They have not said who they are.
        ("/admin/faults", "HTTP/1.1 401 Unauthorized"),
        ("/enrollments/one?api-version=2021-10-01", "HTTP/1.1 401 Unauthorized"),
    ] {
        let answer = client.ask("GET", path, "", "").await;
        assert_eq!(answer.line, line, "{path}");
        assert_eq!(answer.header("connection"), None);
    }
}

#[tokio::test]
async fn devices_are_told_to_come_again() {
    let mut client = Client::at(Place::Reserve);
    let answer = client.ask("PUT", REGISTER, &token("dev1"), "").await;
    answer.assert_error("503 Service Unavailable", 503_000, "Too many connections.");
    assert_eq!(answer.header("connection"), Some("close"));
    let (ended, _, rest) = client.closed().await;
    assert!(ended.is_ok() && rest.is_empty());
    for target in ["/$iothub/websocket", "/"] {
        let mut client = Client::at(Place::Reserve);
        client.send(&switch(target, "Sec-WebSocket-Protocol: mqtt\r\n")).await;
        let answer = client.answer().await;
        answer.assert_error("503 Service Unavailable", 503_000, "Too many connections.");
        assert!(client.closed().await.0.is_ok());
    }
}
