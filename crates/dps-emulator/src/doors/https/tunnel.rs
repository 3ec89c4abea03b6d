//! A WebSocket as a stream of bytes: what binary messages hold, one after the other, whatever
//! their borders (`wire-protocol.md` sections 2.7 and 4.6).

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use futures_util::{Sink, Stream};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

/// The largest message. The packets inside have limits of their own.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// Connections are many and their messages small.
const BUFFER_BYTES: usize = 8 * 1024;

/// The server's side of a WebSocket.
#[derive(Debug)]
pub(super) struct Tunnel<S> {
    socket: WebSocketStream<S>,
    /// Of the latest message, what has not been read yet.
    unread: Bytes,
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
        Self { socket, unread: Bytes::new() }
    }

    fn socket(&mut self) -> Pin<&mut WebSocketStream<S>> {
        Pin::new(&mut self.socket)
    }

    /// Tells the client why, as far as that can be done without waiting.
    fn refuse_text(&mut self, context: &mut Context<'_>) -> io::Error {
        let frame =
            CloseFrame { code: CloseCode::Unsupported, reason: "binary messages only".into() };
        if self.socket().start_send(Message::Close(Some(frame))).is_ok() {
            let _ = self.socket().poll_flush(context);
        }
        io::Error::new(io::ErrorKind::InvalidData, "a text message in a WebSocket")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Tunnel<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.socket().poll_next(context)).transpose().map_err(io_error)? {
                Some(Message::Binary(bytes)) => self.unread = bytes,
                Some(Message::Text(_)) => return Poll::Ready(Err(self.refuse_text(context))),
                // tungstenite answers pings, and the client's farewell.
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
        self.socket().poll_close(context).map_err(io_error)
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}
