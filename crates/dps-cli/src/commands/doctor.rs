//! `dps doctor`: what stands between this machine and the service.
//!
//! Each port is looked at from below upwards (name, TCP, proxy, TLS, certificates), the clock is
//! compared with the service's, and at last every transport is tried by a registration under a
//! made-up identity: a refusal from the service is what shows that the way is open.

mod chain;
mod clock;
mod door;
mod findings;
mod probe;
mod wire;

use crate::arguments::{self, OutputFormat};
use crate::exit;
use crate::failure::Failure;
use crate::proxy::Choice;
use dps_client::dps_transport::{Proxy, SystemAnchors};
use dps_client::{Endpoint, IdScope, Transport, TrustAnchors};
use findings::{Findings, Outcome};
use std::time::Duration;

/// What is looked at, and how.
pub(crate) struct Examination {
    endpoint: Endpoint,
    ports: Ports,
    id_scope: IdScope,
    anchors: TrustAnchors,
    /// The system's, whether they are trusted or not: they explain what is trusted.
    system: SystemAnchors,
    /// The same in DER.
    system_der: Vec<Vec<u8>>,
    /// In DER, those that are trusted.
    trusted: Vec<Vec<u8>>,
    /// The proxy on the way to each port: exceptions may name one.
    proxies: Vec<(u16, Option<Proxy>)>,
    patience: Duration,
}

impl Examination {
    /// The proxy on the way to `port`.
    fn proxy(&self, port: u16) -> Option<&Proxy> {
        self.proxies.iter().find(|(at, _)| *at == port)?.1.as_ref()
    }
}

/// Ports that differ from the usual ones.
#[derive(Clone, Copy, Default)]
struct Ports {
    endpoint: Option<u16>,
    mqtt: Option<u16>,
    amqp: Option<u16>,
    https: Option<u16>,
}

impl Ports {
    fn of(self, transport: Transport) -> u16 {
        let usual = transport.default_port();
        let given = match usual {
            8883 => self.mqtt,
            5671 => self.amqp,
            _ => self.https,
        };
        given.or(self.endpoint).unwrap_or(usual)
    }
}

/// An ID scope that no service has.
const NO_SCOPE: &str = "0ne00000000";

pub(crate) fn run(options: &arguments::Doctor) -> Result<(), Failure> {
    let examination = examination(options)?;
    let transports = options.transport.transports();
    let text = options.output == OutputFormat::Text;
    let mut findings = Findings::new(&examination.endpoint, text);

    let first = transports.first().map_or(0, |transport| examination.ports.of(*transport));
    if findings.resolve(door::resolve(&examination, first)) {
        look_at_ports(&examination, &transports, &mut findings);
    }
    match findings.conclude() {
        None => Ok(()),
        Some(Outcome { code, .. }) => {
            let failure = Failure::new(code, "something blocks the way to the service");
            Err(if text { failure.remedy("see \"to do\" above") } else { failure.reported() })
        }
    }
}

fn look_at_ports(examination: &Examination, transports: &[Transport], findings: &mut Findings) {
    let mut ports: Vec<u16> = Vec::new();
    for transport in transports {
        let port = examination.ports.of(*transport);
        if !ports.contains(&port) {
            ports.push(port);
            findings.door(door::look(examination, port));
        }
    }
    let https = Transport::MqttWs;
    if transports.iter().any(|transport| transport.default_port() == https.default_port()) {
        findings.clock(clock::compare(examination, examination.ports.of(https)));
    } else {
        findings.clock_not_compared();
    }
    for transport in transports.iter().copied() {
        let port = examination.ports.of(transport);
        let reached = findings.is_open(port);
        findings.transport(probe::attempt(examination, transport, port, reached));
    }
}

fn examination(options: &arguments::Doctor) -> Result<Examination, Failure> {
    let config = |error: &dyn std::fmt::Display| Failure::new(exit::CONFIG, error.to_string());
    let endpoint = match options.endpoint.as_str() {
        "" => Endpoint::global(),
        text => Endpoint::parse(text).map_err(|error| config(&error))?,
    };
    let ports = Ports {
        endpoint: endpoint.port(),
        mqtt: options.mqtt_port,
        amqp: options.amqp_port,
        https: options.https_port,
    };
    let mut usual: Vec<u16> =
        options.transport.transports().iter().map(|transport| transport.default_port()).collect();
    usual.dedup();
    if ports.endpoint.is_some() && usual.len() > 1 {
        return Err(Failure::new(
            exit::CONFIG,
            "the endpoint names a port, but these transports have different ones",
        )
        .remedy("choose one with --transport, or give --mqtt-port, --amqp-port and --https-port instead"));
    }
    let choice = Choice::from(&options.proxy);
    let mut proxies = Vec::new();
    for transport in options.transport.transports() {
        let port = ports.of(transport);
        proxies.push((port, choice.proxy(&endpoint.at(port), port)?));
    }
    let found = rustls_native_certs::load_native_certs();
    let system_der: Vec<Vec<u8>> = found.certs.iter().map(|der| der.to_vec()).collect();
    let system = SystemAnchors::from_der(system_der.iter().map(Vec::as_slice));
    let (anchors, trusted) = match &options.trusted_cert {
        Some(path) => {
            let pem = super::register::certificates(path)?;
            let trusted = chain::from_pem(&pem);
            (TrustAnchors::pem(pem), trusted)
        }
        None => (TrustAnchors::system(), system_der.clone()),
    };
    Ok(Examination {
        endpoint,
        ports,
        id_scope: IdScope::new(options.id_scope.as_deref().unwrap_or(NO_SCOPE))?,
        anchors,
        system,
        system_der,
        trusted,
        proxies,
        patience: Duration::from_secs(options.timeout),
    })
}
