//! A WebSocket as a stream of bytes: what binary messages hold, one after the other, whatever
//! their borders (`wire-protocol.md` sections 2.7 and 4.6).
//!
//! To shut it down is the closing handshake (RFC 6455 section 7): the farewell goes out or the
//! client's is answered, the client's answer is awaited for a while, and the stream below is shut
//! down. Only then may the connection be dropped: bytes that come and are not read would make the
//! operating system take back what the client has not read yet.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use futures_util::{Sink, Stream};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

/// The largest message: a hub's largest, with its topic. The packets inside have limits of their
/// own.
const MAX_MESSAGE_BYTES: usize = 288 * 1024;
/// Connections are many and their messages small.
const BUFFER_BYTES: usize = 8 * 1024;
/// How long the end may take, in all. Clients that do not know the handshake just wait.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// The server's side of a WebSocket.
#[derive(Debug)]
pub(super) struct Tunnel<S> {
    socket: WebSocketStream<S>,
    /// Of the latest message, what has not been read yet.
    unread: Bytes,
    /// What the client is told at the end, unless it has closed the WebSocket itself.
    farewell: CloseCode,
    ending: Ending,
    /// Runs from the beginning of the end.
    end_at: Option<Pin<Box<Sleep>>>,
}

/// What is to be done next to end it.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// To hand over the farewell.
    Farewell,
    /// To send it, or the answer to the client's.
    Flush,
    /// To wait for the client's answer.
    Answer,
    /// To end the stream below.
    Stream,
    /// To wait until the client ends it, too.
    Rest,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tunnel<S> {
    /// Of a stream on which the handshake is over.
    pub(super) async fn new(stream: S) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        Self {
            socket,
            unread: Bytes::new(),
            farewell: CloseCode::Normal,
            ending: Ending::Farewell,
            end_at: None,
        }
    }

    fn socket(&mut self) -> Pin<&mut WebSocketStream<S>> {
        Pin::new(&mut self.socket)
    }

    /// Takes the steps of the end, as far as they go now.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.ending = match self.ending {
                Ending::Farewell => {
                    let frame = CloseFrame { code: self.farewell, reason: Utf8Bytes::default() };
                    // When the client was first, the answer to it is sent instead; when it is
                    // gone, nothing.
                    let _ = self.socket().start_send(Message::Close(Some(frame)));
                    Ending::Flush
                }
                Ending::Flush => match ready!(self.socket().poll_close(context)) {
                    Ok(()) => Ending::Answer,
                    Err(_) => Ending::Stream,
                },
                Ending::Answer => match ready!(self.socket().poll_next(context)) {
                    Some(Ok(_)) => Ending::Answer,
                    Some(Err(_)) | None => Ending::Stream,
                },
                Ending::Stream => {
                    ready!(Pin::new(self.socket.get_mut()).poll_shutdown(context))?;
                    Ending::Rest
                }
                Ending::Rest => {
                    let mut rest = [0; 1024];
                    let mut rest = ReadBuf::new(&mut rest);
                    let read = Pin::new(self.socket.get_mut()).poll_read(context, &mut rest);
                    if ready!(read).is_err() || rest.filled().is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                    Ending::Rest
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Tunnel<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            let next = ready!(self.socket().poll_next(context)).transpose();
            let next = next.map_err(|error| {
                self.farewell = farewell(&error);
                io_error(error)
            })?;
            match next {
                Some(Message::Binary(bytes)) => self.unread = bytes,
                Some(Message::Text(_)) => {
                    self.farewell = CloseCode::Unsupported;
                    let text = "a text message in a WebSocket";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                }
                // tungstenite answers pings.
                Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Some(Message::Close(_)) | None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tunnel<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.socket().poll_ready(context)).map_err(io_error)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        self.socket().start_send(message).map_err(io_error)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_flush(context).map_err(io_error)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end_at = self.end_at.get_or_insert_with(|| Box::pin(sleep(END_PATIENCE)));
        if end_at.as_mut().poll(context).is_ready() {
            if matches!(self.ending, Ending::Rest) {
                return Poll::Ready(Ok(()));
            }
            // The client has had its time to answer; below, it still gets a proper end.
            self.ending = Ending::Stream;
            ready!(Pin::new(self.socket.get_mut()).poll_shutdown(context))?;
            return Poll::Ready(Ok(()));
        }
        self.poll_end(context)
    }
}

/// What a client is told that does this (RFC 6455 section 7.4.1).
fn farewell(error: &Error) -> CloseCode {
    match error {
        Error::Capacity(_) => CloseCode::Size,
        Error::Utf8(_) => CloseCode::Invalid,
        _ => CloseCode::Protocol,
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}
