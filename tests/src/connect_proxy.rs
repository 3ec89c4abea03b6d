//! An HTTP proxy that opens tunnels by CONNECT, as the ones in companies' networks do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Leads every tunnel to one address, whatever host the client asks for: so that names need not
/// resolve. Ends with the test's process.
#[derive(Debug)]
pub struct ConnectProxy {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// Starts one on a free port of this machine. With `authorization`, the value of the
    /// Proxy-Authorization field, it answers 407 to those who do not have it.
    pub fn start(target: SocketAddr, authorization: Option<&'static str>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = seen.clone();
                thread::spawn(move || serve(&client, target, authorization, &seen));
            }
        });
        Self { address, requests }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The request lines so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut client: &TcpStream,
    target: SocketAddr,
    authorization: Option<&str>,
    seen: &Mutex<Vec<String>>,
) {
    let mut reader = BufReader::new(client);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    seen.lock().unwrap().push(head[0].clone());
    let is_authorized = authorization.is_none_or(|needed| {
        head.iter().any(|line| {
            line.split_once(':').is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("proxy-authorization") && value.trim() == needed
            })
        })
    });
    if !is_authorized {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"test\"\r\nContent-Length: 0\r\n\r\n";
        let _ = client.write_all(refusal.as_bytes());
        return;
    }
    let Ok(server) = TcpStream::connect(target) else {
        let _ = client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
        return;
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let back = thread::spawn(move || pipe(from_server, &to_client));
    pipe(reader, &server);
    let _ = back.join();
}

fn pipe(mut from: impl std::io::Read, mut to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
