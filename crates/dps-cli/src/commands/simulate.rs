//! `dps simulate`: the whole life of a device, as short as it may be.

use super::register::{self, Proof, Registered};
use crate::arguments::{OutputFormat, SimulateDevice};
use crate::exit;
use crate::failure::Failure;
use crate::proxy::Choice;
use crate::{output, report};
use dps_client::hub::{HubBuilder, HubClient, Incoming, Message, Twin};
use dps_client::{Assignment, Endpoint, Error, Transport};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::X509Hsm;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(crate) fn run(options: &SimulateDevice) -> Result<(), Failure> {
    let text = options.register.output == OutputFormat::Text;
    // A mistake in it should be known before the device registers.
    let given = options.hub_endpoint.as_deref().map(Endpoint::parse).transpose();
    let given =
        given.map_err(|error| Failure::new(exit::CONFIG, format!("--hub-endpoint: {error}")))?;
    let registered = register::register(&options.register)?;
    let Registered { assignment, proof } = &registered;
    if text {
        register::print(&options.register, assignment, proof);
    }
    let hub_failed = |error: Error| {
        let failure = Failure::hub(&error);
        if text {
            return failure;
        }
        output::line(report::error(&error));
        failure.reported()
    };
    let transport = options.hub_transport.unwrap_or(match options.register.transport {
        Transport::Mqtt | Transport::Amqp => Transport::Mqtt,
        _ => Transport::MqttWs,
    });
    let mut hub = client(options, &registered, transport, given)?.build().map_err(&hub_failed)?;
    let twin = work(options, &mut hub, text).map_err(&hub_failed)?;
    hub.disconnect();
    if text {
        output::line(format_args!("Twin: {}", twin_json(&twin)));
    } else {
        let mut value = register::document(&options.register, assignment, proof);
        if let Some(members) = value.as_object_mut() {
            members.insert("hubTransport".into(), transport.as_str().into());
            members.insert("messagesSent".into(), options.messages.into());
            members.insert("twin".into(), twin_json(&twin));
        }
        output::line(value);
    }
    Ok(())
}

fn client(
    options: &SimulateDevice,
    Registered { assignment, proof }: &Registered,
    transport: Transport,
    given: Option<Endpoint>,
) -> Result<HubBuilder, Failure> {
    let common = &options.register;
    let connect_to = match given {
        Some(endpoint) => Some(endpoint),
        None => beside_the_service(common.transport, &common.endpoint, assignment, transport),
    };
    let config = |error: &dyn std::fmt::Display| Failure::new(exit::CONFIG, error.to_string());
    let target = match &connect_to {
        Some(endpoint) => endpoint.clone(),
        None => Endpoint::parse(&assignment.hub).map_err(|error| config(&error))?,
    };
    let limit = Duration::from_secs(common.timeout);
    let builder = HubClient::of(assignment)
        .transport(transport)
        .proxy(Choice::from(&common.proxy).proxy(&target, transport.default_port())?)
        .connect_to(connect_to)
        .trust_anchors(register::trust_anchors(common)?)
        .tls_versions(register::tls_versions(common)?)
        .connect_timeout(limit)
        .request_timeout(limit);
    Ok(match proof {
        Proof::Key(id, key) => builder.hsm(SymmetricKeyHsm::new(id.clone(), key.clone())),
        Proof::Certificate(hsm) => builder.hsm(X509Hsm::clone(hsm)),
    })
}

/// A local service's hubs are behind its own doors: at the port that was given for the service,
/// if it is the same door.
fn beside_the_service(
    service_transport: Transport,
    endpoint: &str,
    assignment: &Assignment,
    transport: Transport,
) -> Option<Endpoint> {
    let service = register::endpoint(endpoint).ok()?;
    let same_door = service_transport.default_port() == transport.default_port();
    (assignment.hub.ends_with(".localhost") && same_door && service.port().is_some())
        .then_some(service)
}

/// Connects, sends the telemetry, says what comes from the hub, and gets the twin.
fn work(options: &SimulateDevice, hub: &mut HubClient, text: bool) -> Result<Twin, Error> {
    hub.connect()?;
    if text {
        output::line("Connected to the hub");
    }
    let interval = Duration::from_secs_f64(options.interval);
    for number in 1..=options.messages {
        let (body, alert) = measurement(number);
        let message = Message::json(body.to_string())
            .property("$.mid", number.to_string())
            .property("temperatureAlert", alert.to_string());
        hub.send(&message)?;
        if text {
            output::line(format_args!("Message {number} is with the hub: {body}"));
        }
        if number < options.messages {
            listen(hub, interval, text)?;
        }
    }
    let twin = hub.twin()?;
    listen(hub, Duration::ZERO, text)?;
    Ok(twin)
}

/// Spends the time between two messages listening.
fn listen(hub: &mut HubClient, time: Duration, text: bool) -> Result<(), Error> {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match hub.receive(left)? {
            Some(Incoming::Message(message)) if text => {
                let body = String::from_utf8_lossy(&message.body).into_owned();
                output::line(format_args!("From the hub: {}", body.escape_debug()));
            }
            Some(Incoming::Desired(update)) if text => {
                output::line(format_args!("Desired properties: {}", update.patch));
            }
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

/// What the tutorials' devices measure, as a slow wave: 20 to 32 degrees, and humidity against it.
fn measurement(number: u32) -> (Value, bool) {
    let wave = (f64::from(number) / 3.0).sin();
    let tenths = |value: f64| (value * 10.0).round() / 10.0;
    let (temperature, humidity) = (tenths(26.0 + 6.0 * wave), tenths(70.0 - 10.0 * wave));
    (json!({"temperature": temperature, "humidity": humidity}), temperature > 30.0)
}

fn twin_json(twin: &Twin) -> Value {
    json!({"desired": twin.desired, "reported": twin.reported})
}
