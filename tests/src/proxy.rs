//! Real proxies: tinyproxy, and stunnel in front of it for one that is spoken to over TLS.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A running proxy; it stops when dropped.
#[derive(Debug)]
pub struct RunningProxy {
    address: SocketAddr,
    folder: PathBuf,
    processes: Vec<Child>,
}

impl RunningProxy {
    /// tinyproxy on a free port; with a user name and a password if they are given.
    ///
    /// # Panics
    ///
    /// When tinyproxy is missing or does not start.
    pub fn start(credentials: Option<(&str, &str)>) -> Self {
        let folder = new_folder();
        let address = free_address();
        let mut settings = format!(
            "Port {}\nListen 127.0.0.1\nTimeout 60\nMaxClients 200\nAllow 127.0.0.1\nLogLevel Info\nLogFile \"{}\"\n",
            address.port(),
            folder.join("log").display()
        );
        if let Some((user, password)) = credentials {
            settings.push_str(&format!("BasicAuth {user} {password}\n"));
        }
        let file = folder.join("tinyproxy.conf");
        fs::write(&file, settings).unwrap();
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(&file);
        let process = spawn(&mut command);
        let proxy = Self { address, folder, processes: vec![process] };
        wait_for(address);
        proxy
    }

    /// The same over TLS, with this certificate and key in PEM.
    ///
    /// # Panics
    ///
    /// When stunnel is missing or does not start.
    pub fn start_tls(credentials: Option<(&str, &str)>, certificate: &str, key: &str) -> Self {
        let mut proxy = Self::start(credentials);
        proxy.put_tls_in_front(certificate, key);
        proxy
    }

    /// stunnel alone, in front of anything.
    ///
    /// # Panics
    ///
    /// When stunnel is missing or does not start.
    pub fn tls_in_front_of(address: SocketAddr, certificate: &str, key: &str) -> Self {
        let mut server = Self { address, folder: new_folder(), processes: Vec::new() };
        server.put_tls_in_front(certificate, key);
        server
    }

    fn put_tls_in_front(&mut self, certificate: &str, key: &str) {
        let address = free_address();
        let pem = self.folder.join("proxy.pem");
        fs::write(&pem, format!("{key}\n{certificate}\n")).unwrap();
        let file = self.folder.join("stunnel.conf");
        let settings = format!(
            "foreground = yes\npid =\n[proxy]\naccept = {address}\nconnect = {}\ncert = {}\n",
            self.address,
            pem.display()
        );
        fs::write(&file, settings).unwrap();
        self.processes.push(spawn(Command::new("stunnel4").arg(&file)));
        self.address = address;
        wait_for(address);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many tunnels it has opened.
    pub fn tunnels(&self) -> usize {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("Established connection to host")).count()
    }
}

impl Drop for RunningProxy {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn new_folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("dps-proxy-{}-{number}", std::process::id());
    let folder = Path::new(&std::env::temp_dir()).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A port that was free a moment ago: neither program takes port 0.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap_or_else(
        |error| {
            panic!("{command:?} cannot be started: {error}; tests/run installs what the tests need")
        },
    )
}

fn wait_for(address: SocketAddr) {
    let started = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(started.elapsed() < Duration::from_secs(20), "{address} does not answer");
        thread::sleep(Duration::from_millis(10));
    }
}
