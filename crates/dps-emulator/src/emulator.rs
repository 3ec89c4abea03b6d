//! The running service: everything put together, with a runtime of its own.

use crate::certificates::{Authority, CertificateError, Certificates};
use crate::config::{ConfigError, EmulatorConfig};
use crate::doors::Door;
use crate::faults::{Fault, FaultError, FaultStatus};
use crate::hub::Hub;
use crate::model::{EnrollmentGroup, IndividualEnrollment, RegistrationRecord};
use crate::random::{Random, RandomError};
use crate::server;
use crate::service::{OpenError, Service};
use crate::store::StoreError;
use crate::summary::{
    EndpointSummary, Endpoints, EnrollmentGroupSummary, IndividualEnrollmentSummary, Summary,
};
use crate::webhook;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// How long [`Emulator::stop`] waits at most for connections to close.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Why the emulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// There are no random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The address could not be listened on.
    #[error("cannot listen on {address} for {protocol}: {source}; {}", remedy(source, setting))]
    Listen {
        /// What would be spoken there.
        protocol: &'static str,
        /// The key of the port in the configuration.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The threads could not be started.
    #[error("cannot start the emulator's threads: {0}")]
    Runtime(#[source] io::Error),
}

impl From<OpenError> for EmulatorError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Config(error) => Self::Config(error),
            OpenError::Store(error) => Self::Store(error),
        }
    }
}

fn remedy(error: &io::Error, setting: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another emulator or server may run there: stop it, or set {setting} to another port (0 takes any free one)"
        ),
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: set address to one of its own".to_owned()
        }
        io::ErrorKind::PermissionDenied => format!(
            "ports below 1024 may need privileges: set {setting} to a higher one (0 takes any free one)"
        ),
        _ => format!("set address and {setting} to ones that this machine can listen on"),
    }
}

/// A door that listens.
struct OpenDoor {
    door: Door,
    address: SocketAddr,
    listener: TcpListener,
}

impl OpenDoor {
    fn open(door: Door, address: SocketAddr) -> Result<Self, EmulatorError> {
        let (protocol, setting) = match door {
            Door::Mqtt => ("MQTT", "mqttPort"),
            Door::Https => ("HTTPS", "httpsPort"),
            Door::Amqp => ("AMQP", "amqpPort"),
        };
        let failed = |source| EmulatorError::Listen { protocol, setting, address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { door, address, listener })
    }

    /// Opens a door at the service's own port for it, unless another is configured.
    fn open_at(
        door: Door,
        config: &EmulatorConfig,
        port: Option<u16>,
        usual: u16,
    ) -> Result<Self, EmulatorError> {
        let free = SocketAddr::new(config.address, 0);
        let chosen = SocketAddr::new(config.address, config.port(port, usual));
        match Self::open(door, chosen) {
            Err(EmulatorError::Listen { address, source, .. })
                if port.is_none() && source.kind() == io::ErrorKind::PermissionDenied =>
            {
                let opened = Self::open(door, free)?;
                tracing::warn!(%address, instead = %opened.address,
                    "listening there takes privileges; another port was taken");
                Ok(opened)
            }
            opened => opened,
        }
    }
}

/// A running emulator. Stops when dropped.
pub struct Emulator {
    service: Arc<Service>,
    ca_pem: String,
    mqtt_address: SocketAddr,
    https_address: SocketAddr,
    amqp_address: SocketAddr,
    /// Dropping it tells the doors to close.
    stop: Option<watch::Sender<()>>,
    /// Disconnects when all doors are closed.
    stopped: Mutex<mpsc::Receiver<()>>,
    doors: Vec<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl Emulator {
    /// How many connections it takes at a time, at all ports together. Each is an open file.
    pub const MOST_CONNECTIONS: usize = server::MOST_CONNECTIONS;

    /// Starts a service. When this returns, it listens. May be called with or without an async
    /// runtime around it: it brings its own, with two threads.
    ///
    /// # Errors
    ///
    /// [`EmulatorError`] says what to change.
    pub fn start(config: EmulatorConfig) -> Result<Self, EmulatorError> {
        let mut random = Random::from_os()?;
        let now = server::now();
        Certificates::check_names(&config)?;
        let mut authority = Authority::generate(&mut random, now)
            .map_err(|error| CertificateError::new(&config, error))?;
        let caller = webhook::Caller::new(&config)?;

        // Before the state: a start that fails here must not have used the configuration up.
        let mqtt = SocketAddr::new(config.address, config.mqtt_port);
        let mqtt = OpenDoor::open(Door::Mqtt, mqtt)?;
        let mqtt_address = mqtt.address;
        let https = OpenDoor::open_at(Door::Https, &config, config.https_port, 443)?;
        let https_address = https.address;
        let amqp = OpenDoor::open_at(Door::Amqp, &config, config.amqp_port, 5671)?;
        let amqp_address = amqp.address;
        let service = Service::open_with(&config, random, now, Some(&mut authority))?;
        let service = Arc::new(service);
        let certificates = Certificates::new(&config, authority, now)?;
        let faults = service.faults().len();
        if faults > 0 {
            tracing::warn!(faults, "the service misbehaves on purpose, as its configuration says");
        }
        let endpoints = Endpoints {
            mqtt: EndpointSummary::new(mqtt_address),
            https: EndpointSummary::new(https_address),
            amqp: EndpointSummary::new(amqp_address),
        };
        service.listens_at(endpoints, server::now);
        // Also those that an earlier service has left in the state file.
        certificates.follow(service.iot_hubs());

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("dps-emulator")
            .enable_all()
            .build()
            .map_err(EmulatorError::Runtime)?;
        let (stop, stopping) = watch::channel(());
        let (alive, stopped) = mpsc::channel::<()>();
        let mut doors = Vec::new();
        for OpenDoor { door, address, listener } in [mqtt, amqp, https] {
            let listener = {
                let _inside = runtime.enter();
                tokio::net::TcpListener::from_std(listener).map_err(EmulatorError::Runtime)?
            };
            let (tls, service) = (certificates.server.clone(), service.clone());
            let (stopping, alive) = (stopping.clone(), alive.clone());
            doors.push(runtime.spawn(async move {
                server::serve(door, listener, tls, service, stopping).await;
                drop(alive);
            }));
            tracing::info!(?door, %address, "listening");
        }
        let calls = webhook::serve(service.clone(), caller, stopping);
        runtime.spawn(async move {
            calls.await;
            drop(alive);
        });
        Ok(Self {
            service,
            ca_pem: certificates.ca_pem,
            mqtt_address,
            https_address,
            amqp_address,
            stop: Some(stop),
            stopped: Mutex::new(stopped),
            doors,
            runtime: Some(runtime),
        })
    }

    /// Where the MQTT door listens.
    pub fn mqtt_address(&self) -> SocketAddr {
        self.mqtt_address
    }

    /// Where the HTTPS door listens, which also takes WebSockets.
    pub fn https_address(&self) -> SocketAddr {
        self.https_address
    }

    /// Where the AMQP door listens.
    pub fn amqp_address(&self) -> SocketAddr {
        self.amqp_address
    }

    /// The trust anchor for the server certificate, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Whether all doors are still open. They only close by themselves after a defect in this
    /// crate.
    pub fn is_serving(&self) -> bool {
        !self.doors.iter().any(JoinHandle::is_finished)
    }

    /// The ID scope.
    pub fn id_scope(&self) -> &str {
        self.service.id_scope()
    }

    /// The enrollment groups as they are now, with their keys, sorted by name.
    pub fn groups(&self) -> Vec<Arc<EnrollmentGroup>> {
        self.service.groups()
    }

    /// The individual enrollments as they are now, with their keys, sorted by registration id.
    pub fn enrollments(&self) -> Vec<Arc<IndividualEnrollment>> {
        self.service.enrollments()
    }

    /// The linked hubs' host names, as they are now.
    pub fn hubs(&self) -> Vec<String> {
        self.service.hubs()
    }

    /// One of the hubs, with its devices; `None` when there is none of this name. One that was unlinked
    /// is there as long as it has devices.
    pub fn hub(&self, name: &str) -> Option<Hub> {
        Hub::new(self.service.iot_hubs(), name)
    }

    /// The registration records as they stand now, sorted by registration id.
    pub fn registrations(&self) -> Vec<RegistrationRecord> {
        self.service.registrations(server::now())
    }

    /// Sets a fault: after all others, or in the place of the one of this name, which begins to count
    /// anew. Requests that have come before are not struck any more.
    ///
    /// # Errors
    ///
    /// [`FaultError`] says what makes no sense.
    pub fn set_fault(&self, name: &str, fault: Fault) -> Result<(), FaultError> {
        self.service.set_fault(name, fault).map(drop)
    }

    /// The faults in the order in which they are looked at, with how often each has struck.
    pub fn faults(&self) -> Vec<FaultStatus> {
        self.service.faults()
    }

    /// Removes a fault. Whether it was there. What it holds already it does not let go.
    pub fn remove_fault(&self, name: &str) -> bool {
        self.service.remove_fault(name)
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.service.clear_faults();
    }

    /// The service behind the doors, for connections without a socket.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// With what, and under which name, the service API is used on this machine: a connection
    /// string, which holds a key. Its host has a port unless that is the usual one.
    pub fn connection_string(&self) -> Zeroizing<String> {
        self.service.connection_string(&EndpointSummary::new(self.https_address).authority())
    }

    /// Opens the admin API and the service API, as `Authorization: Bearer` and the token: a new one
    /// at each start.
    pub fn page_token(&self) -> &str {
        self.service.page_token()
    }

    /// Where the service's page is, which asks for the [`page_token`](Self::page_token) where it
    /// must.
    pub fn page_url(&self) -> String {
        format!("https://{}/", EndpointSummary::new(self.https_address).authority())
    }

    /// Everything a device or test needs, keys included, for printing as JSON.
    pub fn summary(&self) -> Summary {
        Summary {
            id_scope: self.id_scope().to_owned(),
            mqtt: EndpointSummary::new(self.mqtt_address),
            https: EndpointSummary::new(self.https_address),
            amqp: EndpointSummary::new(self.amqp_address),
            ca_pem: self.ca_pem.clone(),
            enrollment_groups: self
                .groups()
                .iter()
                .map(|group| EnrollmentGroupSummary::new(group))
                .collect(),
            enrollments: self
                .enrollments()
                .iter()
                .map(|enrollment| IndividualEnrollmentSummary::new(enrollment))
                .collect(),
            connection_string: self.connection_string().to_string(),
            page_url: self.page_url(),
            page_token: self.page_token().to_owned(),
            hubs: self.hubs(),
        }
    }

    /// Closes the doors and all connections. The ports are free when this returns. Dropping does
    /// the same.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        let stopped = self.stopped.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent: it ends with the listener's task, or with the patience.
        let _ = stopped.recv_timeout(STOP_PATIENCE);
        // Unlike dropping the runtime, this is allowed inside an async runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("mqtt_address", &self.mqtt_address)
            .field("https_address", &self.https_address)
            .field("amqp_address", &self.amqp_address)
            .field("id_scope", &self.id_scope())
            .finish_non_exhaustive()
    }
}
