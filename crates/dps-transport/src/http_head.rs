//! The head of an HTTP/1.1 response: what a proxy and a WebSocket server answer with.

use core::time::Duration;
use dps_core::{Now, parse_retry_after};

/// The longest head read.
const MAX_HEAD: usize = 16 * 1024;
/// The most interim responses (1xx) passed over.
const MAX_INTERIM: usize = 8;
/// The most header fields read.
const MAX_FIELDS: usize = 64;

/// The end of a head has been seen: status and fields.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
}

/// Why something is not the head of a response.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("the answer's head is longer than {MAX_HEAD} bytes")]
    TooLong,
    #[error("the answer is not HTTP")]
    NotHttp,
    #[error("more than {MAX_INTERIM} interim answers came before the answer")]
    TooManyInterim,
}

impl ResponseHead {
    /// The values of the fields of this name, in order. `name` is in lower case.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let matching = self.fields.iter().filter(move |(field, _)| field == name);
        matching.map(|(_, value)| value.as_str())
    }

    /// The pause that is asked for.
    pub(crate) fn retry_after(&self, now: Now) -> Option<Duration> {
        self.values("retry-after").find_map(|text| parse_retry_after(text, now.unix_seconds))
    }

    /// Whether a field that lists tokens has this one, in upper or lower case.
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(','))
            .any(|listed| listed.trim().eq_ignore_ascii_case(token))
    }
}

/// Collects bytes until a head is complete.
#[derive(Debug, Default)]
pub(crate) struct HeadReader {
    bytes: Vec<u8>,
    interim: usize,
}

impl HeadReader {
    /// Takes bytes; gives the head once it is complete, and the bytes that came behind it.
    /// Interim responses (1xx, except 101) are passed over.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<(ResponseHead, Vec<u8>)>, HeadError> {
        // The end of a head may be split; nothing before it can be an end.
        let mut from = self.bytes.len().saturating_sub(3);
        self.bytes.extend_from_slice(bytes);
        loop {
            let end = self.bytes.get(from..).and_then(end_of_head).map(|end| from + end);
            let Some(end) = end else {
                return match self.bytes.len() {
                    0..=MAX_HEAD if looks_like_http(&self.bytes) => Ok(None),
                    0..=MAX_HEAD => Err(HeadError::NotHttp),
                    _ => Err(HeadError::TooLong),
                };
            };
            if end > MAX_HEAD {
                return Err(HeadError::TooLong);
            }
            let rest = self.bytes.split_off(end);
            let head = parse(&std::mem::take(&mut self.bytes))?;
            if head.status != 101 && (100..200).contains(&head.status) {
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Err(HeadError::TooManyInterim);
                }
                self.bytes = rest;
                from = 0;
                continue;
            }
            return Ok(Some((head, rest)));
        }
    }
}

/// Just behind the empty line that ends a head.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let lf = bytes.windows(2).position(|two| two == b"\n\n").map(|at| at + 2);
    let crlf = bytes.windows(3).position(|three| three == b"\n\r\n").map(|at| at + 3);
    [lf, crlf].into_iter().flatten().min()
}

/// Tells at once when the peer speaks something else, which may never contain an empty line.
fn looks_like_http(bytes: &[u8]) -> bool {
    b"HTTP/1.".iter().zip(bytes).all(|(expected, byte)| expected == byte)
}

fn parse(bytes: &[u8]) -> Result<ResponseHead, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) | Err(_) => return Err(HeadError::NotHttp),
    }
    let fields = response
        .headers
        .iter()
        .map(|field| {
            let value = String::from_utf8_lossy(field.value).into_owned();
            (field.name.to_ascii_lowercase(), value)
        })
        .collect();
    Ok(ResponseHead { status: response.code.ok_or(HeadError::NotHttp)?, fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_whatever_its_pieces() {
        let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Connection established\r\nVia: a, B\r\nvia: c\r\n\r\nrest";
        for split in 0..text.len() {
            let mut reader = HeadReader::default();
            let (first, second) = text.split_at(split);
            let result = match reader.read(first).unwrap() {
                Some((head, mut rest)) => {
                    rest.extend_from_slice(second);
                    (head, rest)
                }
                None => reader.read(second).unwrap().unwrap(),
            };
            let (head, rest) = result;
            assert_eq!((head.status, rest.as_slice()), (200, &b"rest"[..]), "{split}");
            assert_eq!(head.values("via").collect::<Vec<_>>(), ["a, B", "c"]);
            assert!(head.has_token("via", "b") && head.has_token("via", "C"));
            assert!(!head.has_token("via", "d"));
        }
    }

    #[test]
    fn bare_line_feeds_end_a_head_too() {
        let (head, rest) = HeadReader::default().read(b"HTTP/1.0 407 no\n\nx").unwrap().unwrap();
        assert_eq!((head.status, rest.as_slice()), (407, &b"x"[..]));
    }

    #[test]
    fn what_is_not_http_is_refused_at_once() {
        for text in [&b"SSH-2.0-OpenSSH\r\n"[..], b"\x15\x03\x01\0\x02", b"HTTP/2", b"x"] {
            assert_eq!(HeadReader::default().read(text).unwrap_err(), HeadError::NotHttp);
        }
        let bad = HeadReader::default().read(b"HTTP/1.1 abc\r\n\r\n").unwrap_err();
        assert_eq!(bad, HeadError::NotHttp);
        let many = format!("HTTP/1.1 200 x\r\n{}\r\n", "A: b\r\n".repeat(65));
        assert_eq!(HeadReader::default().read(many.as_bytes()).unwrap_err(), HeadError::NotHttp);
    }

    #[test]
    fn interim_answers_without_end_are_refused() {
        let interim = "HTTP/1.1 100 Continue\r\n\r\n";
        let some = interim.repeat(8) + "HTTP/1.1 200 ok\r\n\r\n";
        let (head, _) = HeadReader::default().read(some.as_bytes()).unwrap().unwrap();
        assert_eq!(head.status, 200);
        let mut reader = HeadReader::default();
        let error = (0..9).find_map(|_| reader.read(interim.as_bytes()).err());
        assert_eq!(error, Some(HeadError::TooManyInterim));
        let many = interim.repeat(100_000);
        let error = HeadReader::default().read(many.as_bytes()).unwrap_err();
        assert_eq!(error, HeadError::TooManyInterim);
    }

    #[test]
    fn an_endless_head_is_refused() {
        let mut reader = HeadReader::default();
        assert!(reader.read(b"HTTP/1.1 200 x\r\nA: ").unwrap().is_none());
        let mut sent = 0;
        let error = loop {
            match reader.read(&[b'a'; 1000]) {
                Ok(None) => sent += 1000,
                other => break other.unwrap_err(),
            }
        };
        assert_eq!((error, sent), (HeadError::TooLong, 16_000));
        let long = format!("HTTP/1.1 200 x\r\nA: {}\r\n\r\n", "a".repeat(MAX_HEAD));
        let error = HeadReader::default().read(long.as_bytes()).unwrap_err();
        assert_eq!(error, HeadError::TooLong);
    }
}
