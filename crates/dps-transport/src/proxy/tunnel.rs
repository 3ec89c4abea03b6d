//! The tunnel through a proxy as a [`Layer`] (RFC 9110 section 9.3.6).

use super::Proxy;
use crate::http_head::{HeadReader, ResponseHead};
use crate::{Endpoint, Layer};
use core::fmt;
use dps_core::{Error, ErrorKind, Now, Stage};
use zeroize::Zeroizing;

/// A [`Layer`] that asks a proxy for a tunnel, and then gets out of the way. Nothing from above is
/// sent before the tunnel is open. Errors: stage proxy.
pub struct Tunnel {
    /// The answer so far; none once the tunnel is open.
    answer: Option<HeadReader>,
    /// The request with the credentials, and then what the layer above sends.
    out: Zeroizing<Vec<u8>>,
    /// What the layer above wants to send before the tunnel is open.
    held_back: Vec<u8>,
}

impl Tunnel {
    /// A tunnel through `proxy` to `endpoint` at `port`.
    pub fn new(proxy: &Proxy, endpoint: &Endpoint, port: u16) -> Self {
        let target = endpoint.at(port);
        let authorization = match &proxy.authorization {
            Some(value) => Zeroizing::new(format!("Proxy-Authorization: {}\r\n", value.as_str())),
            None => Zeroizing::default(),
        };
        let agent = concat!("libdps/", env!("CARGO_PKG_VERSION"));
        let request = format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {agent}\r\n{}\r\n",
            *authorization
        );
        Self {
            answer: Some(HeadReader::default()),
            out: Zeroizing::new(request.into_bytes()),
            held_back: Vec::new(),
        }
    }
}

impl Layer for Tunnel {
    fn stage(&self) -> Stage {
        Stage::Proxy
    }

    fn is_ready(&self) -> bool {
        self.answer.is_none()
    }

    fn receive(&mut self, now: Now, bytes: &[u8], up: &mut Vec<u8>) -> Result<(), Error> {
        let Some(answer) = &mut self.answer else {
            up.extend_from_slice(bytes);
            return Ok(());
        };
        let read = answer.read(bytes).map_err(|error| {
            Error::new(Stage::Proxy, ErrorKind::Protocol).with_detail(error.to_string())
        })?;
        let Some((head, rest)) = read else { return Ok(()) };
        if !(200..300).contains(&head.status) {
            let error = refusal(&head);
            return Err(match head.retry_after(now) {
                Some(pause) => error.with_retry_after(pause),
                None => error,
            });
        }
        self.answer = None;
        self.out.append(&mut self.held_back);
        up.extend_from_slice(&rest);
        Ok(())
    }

    fn send(&mut self, _: Now, bytes: &[u8]) -> Result<(), Error> {
        match self.answer {
            Some(_) => self.held_back.extend_from_slice(bytes),
            None => self.out.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn transmit(&mut self, _: Now, down: &mut Vec<u8>) -> Result<(), Error> {
        down.extend_from_slice(&self.out);
        // Overwritten, not only forgotten.
        self.out = Zeroizing::default();
        Ok(())
    }

    fn close(&mut self) {
        // A tunnel has no farewell, and one that never opened must not carry another's.
        self.held_back.clear();
    }
}

fn refusal(head: &ResponseHead) -> Error {
    let error = Error::new(Stage::Proxy, ErrorKind::ProxyRejected { status: head.status });
    if head.status != 407 {
        return error;
    }
    let schemes: Vec<&str> = head
        .values("proxy-authenticate")
        .filter_map(|challenge| challenge.split_whitespace().next())
        .filter(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        .take(8)
        .collect();
    if schemes.is_empty() {
        return error;
    }
    error.with_detail(format!("it asks for authentication by {}", schemes.join(", ")))
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The request may hold a password.
        f.debug_struct("Tunnel").field("is_open", &self.is_ready()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Link;
    use dps_core::Timestamp;

    fn now() -> Now {
        Now::new(Timestamp::default(), 0)
    }

    fn tunnel(url: &str) -> Link {
        Link::plain().with(Tunnel::new(
            &Proxy::parse(url).unwrap(),
            &"dps.example".parse().unwrap(),
            8883,
        ))
    }

    fn sent(link: &mut Link) -> String {
        let mut wire = Vec::new();
        link.transmit(now(), &mut wire).unwrap();
        String::from_utf8(wire).unwrap()
    }

    fn answered(answer: &[u8]) -> Error {
        tunnel("http://p").receive(now(), answer, &mut Vec::new()).unwrap_err()
    }

    #[test]
    fn nothing_from_above_is_sent_before_the_tunnel_is_open() {
        let mut link = tunnel("http://user:secret@p");
        link.send(now(), b"hello").unwrap();
        let request = sent(&mut link);
        assert!(
            request.starts_with("CONNECT dps.example:8883 HTTP/1.1\r\nHost: dps.example:8883\r\n")
        );
        assert!(request.contains("\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
        assert!(request.ends_with("\r\n\r\n"));
        assert_eq!(link.pending_stage(), Some(Stage::Proxy));
        assert_eq!(sent(&mut link), "");
        let mut up = Vec::new();
        link.receive(now(), b"HTTP/1.1 200 ok\r\n", &mut up).unwrap();
        assert_eq!(sent(&mut link), "");
        link.receive(now(), b"\r\nwelcome", &mut up).unwrap();
        assert_eq!(link.pending_stage(), None);
        assert_eq!((up.as_slice(), sent(&mut link).as_str()), (&b"welcome"[..], "hello"));
        link.receive(now(), b" again", &mut up).unwrap();
        link.send(now(), b"bye").unwrap();
        assert_eq!((up.as_slice(), sent(&mut link).as_str()), (&b"welcome again"[..], "bye"));
    }

    #[test]
    fn without_credentials_none_are_sent() {
        assert!(!sent(&mut tunnel("http://p")).contains("Proxy-Authorization"));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let error = answered(
            b"HTTP/1.1 407 no\r\nProxy-Authenticate: Basic realm=\"x\"\r\nProxy-Authenticate: NTLM\r\n\r\n",
        );
        assert_eq!(error.stage(), Stage::Proxy);
        assert_eq!(*error.kind(), ErrorKind::ProxyRejected { status: 407 });
        assert_eq!(error.detail(), Some("it asks for authentication by Basic, NTLM"));
        assert!(error.hint().contains("user name and password"));
        assert!(!error.is_transient());

        let error = answered(b"HTTP/1.1 403 no\r\n\r\n");
        assert!(error.hint().contains("operator") && !error.is_transient());
        let error = answered(b"HTTP/1.1 502 no\r\n\r\n");
        assert!(error.hint().contains("could not reach") && error.is_transient());
        let error = answered(b"HTTP/1.1 302 Found\r\nLocation: http://login\r\n\r\n");
        assert_eq!(*error.kind(), ErrorKind::ProxyRejected { status: 302 });
    }

    #[test]
    fn a_busy_proxy_says_when_to_come_back() {
        let error = answered(b"HTTP/1.1 503 busy\r\nRetry-After: 40\r\n\r\n");
        assert_eq!(error.retry_after(), Some(core::time::Duration::from_secs(40)));
    }

    #[test]
    fn something_else_than_a_proxy_is_told() {
        let error = answered(b"\x15\x03\x01\x00\x02");
        assert_eq!((error.stage(), error.kind()), (Stage::Proxy, &ErrorKind::Protocol));
        assert!(error.hint().contains("HTTP proxy"), "{}", error.hint());
    }
}
