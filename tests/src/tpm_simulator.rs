//! A TPM behind the protocol of Microsoft's simulator (`wire-protocol.md` section 5.7; the TCG's
//! "TPM 2.0 Library, Part 4: Supporting Routines" has the whole list of its words).
//!
//! Two TCP ports, one above the other: at the first are the TPM's commands, each in an envelope, at
//! the second the switches of the platform. Behind it is swtpm, whose data port takes the bare
//! commands. Clients that know the simulator only, such as Microsoft's own, reach swtpm so.

use crate::Swtpm;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Words of the protocol, of four bytes each.
mod word {
    pub(super) const POWER_ON: u32 = 1;
    pub(super) const SEND_COMMAND: u32 = 8;
    pub(super) const CANCEL_OFF: u32 = 10;
    pub(super) const NV_ON: u32 = 11;
    pub(super) const HANDSHAKE: u32 = 15;
    pub(super) const SESSION_END: u32 = 20;
}

/// The version of the protocol.
const VERSION: u32 = 1;
/// What stands behind the command port: a platform port (1), and the TPM itself without a resource
/// manager (4).
const END_POINT: u32 = 1 | 4;
/// Larger than any command or response.
const MOST_BYTES: usize = 4096;
/// The tag, the size and the code of a response.
const RESPONSE_HEADER: usize = 10;

/// The simulator's two ports in front of a [`Swtpm`]. They stay open until the process ends.
#[derive(Debug)]
pub struct TpmSimulator {
    port: u16,
}

impl TpmSimulator {
    /// Starts on two free ports.
    ///
    /// The TPM is on, and whether it is started up is the client's business: one that
    /// [waits for it](Swtpm::start_without_startup) is what a simulator gives.
    ///
    /// # Panics
    ///
    /// When there are no two neighbouring ports.
    pub fn start(tpm: &Swtpm) -> Self {
        let target = tpm.port();
        let (commands, platform) = neighbours();
        let port = commands.local_addr().unwrap().port();
        serve(commands, move |client| take_commands(client, target));
        serve(platform, take_switches);
        Self { port }
    }

    /// The command port; the platform's is one above.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `--tcti` and `Tcti` take.
    pub fn tcti(&self) -> String {
        format!("mssim:host=127.0.0.1,port={}", self.port)
    }
}

fn neighbours() -> (TcpListener, TcpListener) {
    for _ in 0..1000 {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let Some(next) = first.local_addr().unwrap().port().checked_add(1) else { continue };
        if let Ok(second) = TcpListener::bind(("127.0.0.1", next)) {
            return (first, second);
        }
    }
    panic!("there are no two neighbouring free ports");
}

fn serve<F>(listener: TcpListener, session: F)
where
    F: Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
{
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let session = session.clone();
            thread::spawn(move || match session(client) {
                // Many a client leaves without a word.
                Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
                    eprintln!("the TPM simulator's connection ends: {error}");
                }
                _ => {}
            });
        }
    });
}

/// The command port.
fn take_commands(mut client: TcpStream, target: u16) -> io::Result<()> {
    client.set_nodelay(true)?;
    loop {
        match read_word(&mut client)? {
            word::SEND_COMMAND => {
                let mut locality = [0];
                client.read_exact(&mut locality)?;
                if locality != [0] {
                    return Err(unknown("locality", u32::from(locality[0])));
                }
                let length = read_length(&mut client)?;
                let mut command = vec![0; length];
                client.read_exact(&mut command)?;
                let response = ask(target, &command)?;
                let length = u32::try_from(response.len()).expect("it is small").to_be_bytes();
                client.write_all(&[&length[..], &response, &[0; 4]].concat())?;
            }
            word::HANDSHAKE => {
                let version = read_word(&mut client)?;
                if version != VERSION {
                    return Err(unknown("version", version));
                }
                let words = [VERSION, END_POINT, 0].map(u32::to_be_bytes);
                client.write_all(words.as_flattened())?;
            }
            word::SESSION_END => return Ok(()),
            other => return Err(unknown("command", other)),
        }
    }
}

/// The platform port. The TPM is always on, and no command is ever being cancelled.
fn take_switches(mut client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    loop {
        match read_word(&mut client)? {
            word::POWER_ON | word::NV_ON | word::CANCEL_OFF => client.write_all(&[0; 4])?,
            word::SESSION_END => return Ok(()),
            other => return Err(unknown("switch", other)),
        }
    }
}

/// Passes one command on. swtpm serves one connection after the other, so none is kept: several
/// clients may be there at once.
fn ask(target: u16, command: &[u8]) -> io::Result<Vec<u8>> {
    let mut tpm = TcpStream::connect(("127.0.0.1", target))?;
    tpm.set_nodelay(true)?;
    tpm.write_all(command)?;
    let mut response = vec![0; RESPONSE_HEADER];
    tpm.read_exact(&mut response)?;
    let length = read_length(&mut &response[2..6])?;
    if length < RESPONSE_HEADER {
        return Err(unknown("length", length as u32));
    }
    response.resize(length, 0);
    tpm.read_exact(&mut response[RESPONSE_HEADER..])?;
    Ok(response)
}

fn read_word(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn read_length(from: &mut impl Read) -> io::Result<usize> {
    let length = read_word(from)?;
    match usize::try_from(length) {
        Ok(small) if small <= MOST_BYTES => Ok(small),
        _ => Err(unknown("length", length)),
    }
}

fn unknown(what: &str, value: u32) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("an unknown {what}, {value}"))
}
