//! What a registration costs beside a bare TLS handshake: both sides in memory, so that the
//! numbers hold the client's and the service's work and nothing of a network.
//!
//! `cargo bench -p dps-tests --bench registration`; read the ratio of the two, measured in the
//! same run, and not the absolute times.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use criterion::{Criterion, criterion_group, criterion_main};
use dps_client::{
    Endpoint, Hsm as _, IdScope, Identity, Now, Output, Policy, RegistrationId, Session,
    SymmetricKey, Timestamp, TrustAnchors,
};
use dps_core::{Attestation, RegistrationConfig};
use dps_emulator::{Connection as _, EmulatorConfig, MqttConnection, Random, Service};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_tests::tls_server;
use dps_transport::{Link, LinkSettings, TlsSettings};
use dps_transport_mqtt::MqttTransport;
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

/// 2026-11-01.
const START: u64 = 1_793_491_200;

fn now(seconds: u64) -> Now {
    Now::new(Timestamp::new(Duration::from_secs(seconds)), START + seconds)
}

struct Rig {
    server: Arc<ServerConfig>,
    ca_pem: String,
    service: Arc<Service>,
    key: SymmetricKey,
    endpoint: Endpoint,
}

impl Rig {
    fn new() -> Self {
        let (server, ca_pem) = tls_server();
        let service = Service::new(&EmulatorConfig::default(), Random::from_seed([1; 32])).unwrap();
        let group = service.groups()[0].symmetric_keys().unwrap().primary.clone();
        Self {
            server,
            ca_pem,
            key: group.derive(&RegistrationId::new("device").unwrap()),
            service: Arc::new(service),
            endpoint: Endpoint::parse("localhost").unwrap(),
        }
    }

    /// A new client's settings, as at a device's boot: no session to resume.
    fn link(&self) -> Link {
        let settings = TlsSettings::new(&TrustAnchors::pem(self.ca_pem.as_bytes()), None).unwrap();
        LinkSettings::new(settings).link(now(0), &self.endpoint, 8883).unwrap()
    }

    fn handshake(&self) {
        let mut link = self.link();
        let mut server = ServerConnection::new(self.server.clone()).unwrap();
        while link.pending_stage().is_some() || server.is_handshaking() {
            let mut wire = Vec::new();
            link.transmit(now(0), &mut wire).unwrap();
            take(&mut server, &wire);
            link.receive(now(0), &give(&mut server), &mut Vec::new()).unwrap();
        }
    }

    fn registration(&self) {
        let id = RegistrationId::new("device").unwrap();
        let mut hsm = SymmetricKeyHsm::new(id.clone(), self.key.clone());
        let id_scope = IdScope::new(self.service.id_scope()).unwrap();
        let config = RegistrationConfig {
            identity: Identity { id_scope, registration_id: id },
            attestation: Attestation::SymmetricKey,
            payload: None,
            policy: Policy::default(),
        };
        let engine = Box::new(MqttTransport::new());
        let mut session = Session::new(config, engine, Box::new(|| 7), now(0));
        let mut server = ServerConnection::new(self.server.clone()).unwrap();
        let mut door = MqttConnection::new(self.service.clone(), Duration::from_secs(START));
        let mut seconds = 0;
        loop {
            let time = now(seconds);
            let wall = Duration::from_secs(time.unix_seconds);
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Sign(text) => session.signed(time, hsm.sign(text.as_bytes())),
                    Output::Connect => session.opened(time, self.link()),
                    Output::Finished(result) => {
                        assert!(result.is_ok());
                        return;
                    }
                    _ => {}
                }
            }
            let mut wire = Vec::new();
            session.transmit(time, &mut wire);
            take(&mut server, &wire);
            let mut plain = vec![0; 4096];
            if let Ok(count) = server.reader().read(&mut plain) {
                door.receive(wall, &plain[..count]);
            }
            server.writer().write_all(&door.transmit()).unwrap();
            let back = give(&mut server);
            if wire.is_empty() && back.is_empty() {
                seconds = session.next_timeout().unwrap().since_origin().as_secs();
                session.handle_timeout(now(seconds));
            } else {
                session.receive(time, &back);
            }
        }
    }
}

fn take(server: &mut ServerConnection, mut wire: &[u8]) {
    while !wire.is_empty() {
        server.read_tls(&mut wire).unwrap();
        server.process_new_packets().unwrap();
    }
}

fn give(server: &mut ServerConnection) -> Vec<u8> {
    let mut wire = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut wire).unwrap();
    }
    wire
}

fn benches(criterion: &mut Criterion) {
    let rig = Rig::new();
    criterion.bench_function("bare TLS handshake", |bencher| bencher.iter(|| rig.handshake()));
    criterion.bench_function("whole registration", |bencher| bencher.iter(|| rig.registration()));
}

criterion_group!(all, benches);
criterion_main!(all);
