//! What faults make of this door's answers.

use super::*;
use crate::faults::{Fault, FaultKind};

fn struck_by(kind: FaultKind) -> Client {
    let client = Client::new();
    client.service.set_fault("fault", Fault::new(kind).times(1)).unwrap();
    client
}

fn request() -> String {
    format!("PUT {REGISTER} HTTP/1.1\r\nHost: dps.test\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_cut_after_exactly_so_many_bytes_and_the_connection_with_it() {
    for after in [0, 1, 20, 150, 350] {
        let mut client = struck_by(FaultKind::Drop { after_bytes: after });
        client.send(&request()).await;
        let (ended, _, rest) = client.closed().await;
        assert!(ended.is_err(), "no farewell");
        assert_eq!(rest.len(), after as usize);
        assert!(b"HTTP/1.1 401 Unauthorized\r\n".starts_with(&rest[..rest.len().min(27)]));
    }
    let mut client = struck_by(FaultKind::Drop { after_bytes: 100_000 });
    let answer = client.ask("PUT", REGISTER, "", "").await;
    answer.assert_error("401 Unauthorized", 401_002, "Unauthorized");
    let (ended, _, rest) = client.closed().await;
    assert!(ended.is_err() && rest.is_empty(), "all of it, and then no more");
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_longer_than_the_usual_patience_if_it_must() {
    let mut client = struck_by(FaultKind::Delay { milliseconds: 600_000 });
    let begin = Instant::now();
    let answer = client.ask("PUT", REGISTER, &token("dev1"), "").await;
    assert_eq!(answer.line, "HTTP/1.1 202 Accepted");
    assert_eq!(begin.elapsed().as_secs(), 600);
    let answer = client.ask("PUT", REGISTER, &token("dev1"), "").await;
    assert_eq!(answer.line, "HTTP/1.1 202 Accepted");
    assert_eq!(begin.elapsed().as_secs(), 600);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_holds_the_connection_for_ten_minutes_at_most() {
    let mut client = struck_by(FaultKind::NeverAnswer);
    client.send(&request()).await;
    let (ended, elapsed, rest) = client.closed().await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!((elapsed.as_secs(), rest), (600, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_frees_what_waits_for_it() {
    for kind in [FaultKind::NeverAnswer, FaultKind::Delay { milliseconds: 500_000 }] {
        let mut client = struck_by(kind);
        client.send(&request()).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begin = Instant::now();
        drop(client.stream);
        let _ = client.door.await.unwrap();
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_request_says_when_to_come_again() {
    let mut client = struck_by(FaultKind::Throttle { retry_after_seconds: Some(5) });
    let answer = client.ask("PUT", REGISTER, &token("dev1"), "").await;
    answer.assert_error("429 Too Many Requests", 429_001, "Too many requests.");
    assert_eq!(answer.header("retry-after"), Some("5"));
    let answer = client.ask("PUT", REGISTER, &token("dev1"), "").await;
    assert_eq!(answer.line, "HTTP/1.1 202 Accepted");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_body_has_its_right_length() {
    let mut client = struck_by(FaultKind::Malformed { form: Default::default() });
    let answer = client.ask("PUT", REGISTER, &token("dev1"), "").await;
    assert_eq!(answer.line, "HTTP/1.1 202 Accepted");
    assert!(answer.body.starts_with("<html>") && answer.body.ends_with("</html>"));
    let answer = client.ask("PUT", REGISTER, &token("dev1"), "").await;
    assert_eq!(answer.json()["status"], "assigning");
}
