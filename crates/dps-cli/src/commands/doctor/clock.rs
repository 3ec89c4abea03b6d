//! This machine's clock against the service's: SAS tokens expire, and certificates do.

use super::Examination;
use super::wire::Wire;
use dps_client::dps_transport::ServedChain;
use dps_client::{Error, ErrorKind, Stage};
use std::time::{Duration, SystemTime};

/// A difference that a token's life does not make up for.
pub(super) const ALARMING: Duration = Duration::from_secs(300);

/// How far this machine's clock is ahead of the service's, in seconds; negative when it is behind.
pub(super) fn compare(examination: &Examination, port: u16) -> Result<i64, Error> {
    let mut wire = Wire::connect(examination, port, &ServedChain::default())?;
    wire.shake_hands()?;
    let host = examination.endpoint.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let answer = wire.ask(request.as_bytes(), |up| date(up) != Date::Incomplete)?;
    wire.close();
    let malformed = |detail: &str| {
        Error::new(Stage::Authenticate, ErrorKind::Protocol).with_detail(detail.to_owned())
    };
    match date(&answer) {
        Date::At(theirs) => Ok(match SystemTime::now().duration_since(theirs) {
            Ok(ahead) => i64::try_from(ahead.as_secs()).unwrap_or(i64::MAX),
            Err(behind) => -i64::try_from(behind.duration().as_secs()).unwrap_or(i64::MAX),
        }),
        Date::None => Err(malformed("the server does not tell the time")),
        Date::Incomplete | Date::NotHttp => Err(malformed("the server does not speak HTTP")),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Date {
    At(SystemTime),
    None,
    Incomplete,
    NotHttp,
}

/// The Date field of a response, whose body does not matter.
fn date(answer: &[u8]) -> Date {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(answer) {
        Ok(httparse::Status::Partial) if answer.len() < 64 * 1024 => return Date::Incomplete,
        Ok(httparse::Status::Complete(_)) => {}
        _ => return Date::NotHttp,
    }
    response
        .headers
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("date"))
        .find_map(|field| httpdate::parse_http_date(std::str::from_utf8(field.value).ok()?).ok())
        .map_or(Date::None, Date::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_read_once_the_head_is_complete() {
        let answer = b"HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nbody";
        let when = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(date(answer), Date::At(when));
        assert_eq!(date(&answer[..40]), Date::Incomplete);
        assert_eq!(date(b"HTTP/1.1 200 ok\r\nDate: yesterday\r\n\r\n"), Date::None);
        assert_eq!(date(b"SSH-2.0-OpenSSH\r\n"), Date::NotHttp);
    }
}
