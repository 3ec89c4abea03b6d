//! Bytes as replies.
//!
//! ureq-proto cuts the stream. What it is lenient about and an intermediary could read otherwise
//! (request smuggling's mirror image) is refused here.

use dps_core::wire::MAX_MESSAGE_BYTES;
use dps_core::{Error, ErrorKind, Reply, Stage, parse_retry_after};
use http::{HeaderMap, Response, StatusCode, Version, header};
use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult};

/// The largest status line with its headers.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The interim replies (1xx) that may come before the one to a request.
const MAX_INTERIM: usize = 8;
/// The longest line between chunks.
const MAX_LINE_BYTES: usize = 4 * 1024;
/// What may follow the chunks: the line that ends them, trailers, and an empty line.
const MAX_TAIL_BYTES: usize = 4 * 1024;
/// As many trailers, none of which we want.
const MAX_TRAILERS: usize = 32;

/// A reply that is on its way.
#[derive(Debug)]
pub(crate) struct Incoming {
    stage: Stage,
    part: Part,
    /// Interim replies so far.
    interim: usize,
    tail: Tail,
}

/// What has followed the chunks.
#[derive(Debug, Default)]
struct Tail {
    bytes: usize,
    lines: usize,
}

impl Tail {
    /// Counts what was taken, which ends it if `is_over`. Whether there is too much; what is left
    /// of the input and still incomplete counts, or the pieces that it comes in would matter.
    fn grows_too_long(&mut self, taken: &[u8], left: usize, is_over: bool) -> bool {
        self.bytes += taken.len();
        self.lines += taken.iter().filter(|&&byte| byte == b'\n').count();
        // The line that ends the chunks is one of them, the empty line at the end another.
        let trailers = self.lines.saturating_sub(1 + usize::from(is_over));
        let left = if is_over { 0 } else { left };
        self.bytes + left > MAX_TAIL_BYTES || trailers > MAX_TRAILERS
    }
}

#[derive(Debug)]
enum Part {
    Head(Call<RecvResponse>),
    Body(Call<RecvBody>, Reply),
    /// Complete, or spoilt by an error.
    Over,
}

/// A whole reply.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) reply: Reply,
    /// The service closes the connection after it.
    pub(crate) closing: bool,
}

impl Incoming {
    pub(crate) fn new(stage: Stage, call: Call<RecvResponse>) -> Self {
        Self { stage, part: Part::Head(call), interim: 0, tail: Tail::default() }
    }

    /// Takes what it can from the start of `input`. After a reply or an error it is over.
    pub(crate) fn receive(
        &mut self,
        input: &mut Vec<u8>,
        unix_seconds: u64,
    ) -> Result<Option<Received>, Error> {
        loop {
            let part = core::mem::replace(&mut self.part, Part::Over);
            let (next, done) = match part {
                Part::Head(call) => self.head(call, input, unix_seconds)?,
                Part::Body(call, reply) => self.body(call, reply, input)?,
                Part::Over => return Ok(None),
            };
            match (next, done) {
                (_, Some(received)) => return Ok(Some(received)),
                (Step::Wait(part), None) => {
                    self.part = part;
                    return Ok(None);
                }
                (Step::Go(part), None) => self.part = part,
            }
        }
    }

    fn head(
        &mut self,
        mut call: Call<RecvResponse>,
        input: &mut Vec<u8>,
        unix_seconds: u64,
    ) -> Result<(Step, Option<Received>), Error> {
        if !begins_like_http(input) {
            return Err(self.broken("the server does not speak HTTP/1.1"));
        }
        // The codec takes header fields with any interim reply (RFC 9110 section 15.2) but this one.
        if let Some(status) = input.get_mut(8..12).filter(|status| *status == b" 100") {
            status.copy_from_slice(b" 102");
        }
        let (used, response) = call
            .try_response(input, false)
            .map_err(|error| self.broken(format!("not an HTTP reply: {error}")))?;
        let pending = if used == 0 { input.len() } else { used };
        if pending > MAX_HEAD_BYTES {
            return Err(self.broken(format!("a reply whose headers exceed {MAX_HEAD_BYTES} bytes")));
        }
        input.drain(..used);
        let Some(response) = response else {
            let part = Part::Head(call);
            if used == 0 {
                return Ok((Step::Wait(part), None));
            }
            // An interim reply was skipped.
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(self.broken(format!("more than {MAX_INTERIM} interim replies")));
            }
            return Ok((Step::Go(part), None));
        };
        self.check(&response)?;
        let reply = Reply {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers(), unix_seconds),
            body: Vec::new(),
        };
        match call.proceed() {
            Some(RecvResponseResult::RecvBody(call)) => self.framed(call, reply),
            Some(RecvResponseResult::Redirect(call)) => {
                Ok(finished(reply, call.must_close_connection()))
            }
            Some(RecvResponseResult::Cleanup(call)) => {
                Ok(finished(reply, call.must_close_connection()))
            }
            None => Err(self.broken("a reply without a body's form")),
        }
    }

    /// Looks at how the end of the body is to be found.
    fn framed(
        &self,
        mut call: Call<RecvBody>,
        reply: Reply,
    ) -> Result<(Step, Option<Received>), Error> {
        match call.body_mode() {
            BodyMode::LengthDelimited(length) if length > MAX_MESSAGE_BYTES as u64 => {
                Err(self.too_large(&format!("of {length} bytes")))
            }
            BodyMode::CloseDelimited if (200..300).contains(&reply.status) => Err(self.broken(
                "a reply that does not state its length: a cut could not be told from its end",
            )),
            // Gateways answer so when the service is away; their status tells enough.
            BodyMode::CloseDelimited => Ok(finished(reply, true)),
            _ => {
                // So that no call takes both a part of the body and what follows it.
                call.stop_on_chunk_boundary(true);
                Ok((Step::Go(Part::Body(call, reply)), None))
            }
        }
    }

    fn body(
        &mut self,
        mut call: Call<RecvBody>,
        mut reply: Reply,
        input: &mut Vec<u8>,
    ) -> Result<(Step, Option<Received>), Error> {
        let mut buffer = [0; 4096];
        // Drained at once in the end: a body may come in very many chunks.
        let mut rest = input.as_slice();
        while !call.can_proceed() {
            let (used, got) = call
                .read(rest, &mut buffer)
                .map_err(|error| self.broken(format!("not an HTTP body: {error}")))?;
            let (taken, left) = rest.split_at_checked(used).unwrap_or((rest, &[]));
            rest = left;
            if call.is_ended_chunked()
                && self.tail.grows_too_long(taken, left.len(), call.can_proceed())
            {
                return Err(self.broken("too much after the last chunk"));
            }
            reply.body.extend_from_slice(buffer.get(..got).unwrap_or_default());
            if reply.body.len() > MAX_MESSAGE_BYTES {
                return Err(self.too_large("in chunks"));
            }
            if used == 0 && !call.can_proceed() {
                if rest.len() > MAX_LINE_BYTES {
                    return Err(self.broken("a line between chunks that is too long"));
                }
                input.drain(..input.len() - rest.len());
                return Ok((Step::Wait(Part::Body(call, reply)), None));
            }
        }
        input.drain(..input.len() - rest.len());
        // What a redirect says is of no use, since none is followed.
        match call.proceed() {
            Some(RecvBodyResult::Redirect(call)) => {
                reply.body = Vec::new();
                Ok(finished(reply, call.must_close_connection()))
            }
            Some(RecvBodyResult::Cleanup(call)) => {
                Ok(finished(reply, call.must_close_connection()))
            }
            None => Err(self.broken("a body without an end")),
        }
    }

    fn check(&self, response: &Response<()>) -> Result<(), Error> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.broken("status 101, though no other protocol was asked for"));
        }
        let headers = response.headers();
        let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let Some(coding) = codings.next() else { return Ok(()) };
        if headers.contains_key(header::CONTENT_LENGTH) {
            return Err(self.broken("a reply with both Transfer-Encoding and Content-Length"));
        }
        let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !chunked || codings.next().is_some() || response.version() != Version::HTTP_11 {
            return Err(self.broken("a reply in a transfer coding other than chunked"));
        }
        Ok(())
    }

    fn broken(&self, detail: impl Into<String>) -> Error {
        Error::new(self.stage, ErrorKind::Protocol).with_detail(detail)
    }

    fn too_large(&self, size: &str) -> Error {
        self.broken(format!("a reply {size}; at most {MAX_MESSAGE_BYTES} bytes are accepted"))
    }
}

enum Step {
    /// More bytes are needed.
    Wait(Part),
    /// Goes on with the bytes that are there.
    Go(Part),
}

fn finished(reply: Reply, closing: bool) -> (Step, Option<Received>) {
    (Step::Wait(Part::Over), Some(Received { reply, closing }))
}

/// Said at once, since the "headers" of something else could keep us waiting.
fn begins_like_http(input: &[u8]) -> bool {
    input.iter().zip(b"HTTP/1.").all(|(came, expected)| came == expected)
}

fn retry_after(headers: &HeaderMap, unix_seconds: u64) -> Option<core::time::Duration> {
    parse_retry_after(headers.get(header::RETRY_AFTER)?.to_str().ok()?, unix_seconds)
}
