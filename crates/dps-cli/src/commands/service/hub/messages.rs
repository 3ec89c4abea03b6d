//! `dps hub messages`: what a device has sent, and what it sends.

use super::{find, refused};
use crate::arguments::hub::{HubDevice, Messages};
use crate::commands::service::shown;
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, printable};
use dps_service::local::TelemetryMessage;
use std::time::{Duration, Instant};

/// How long the service may wait for a message before it says that there is none: well below the
/// client's timeout.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

pub(super) fn run(options: &Messages) -> Result<(), Failure> {
    let HubDevice { hub, device_id } = &options.device;
    let (client, name) = find(hub)?;
    let local = client.local();
    // A time that no clock reaches is none.
    let until = options
        .timeout
        .and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
    // The last message to show, once it is known: a device may send without a pause.
    let mut last = None;
    let mut left = options.count.unwrap_or(u64::MAX);
    let mut after = options.after;
    // One JSON array when all is there at once.
    let mut all = Vec::new();
    loop {
        let wait = match (options.follow, until) {
            (false, _) => Duration::ZERO,
            (true, None) => LONGEST_WAIT,
            (true, Some(until)) => {
                // The service knows whole seconds.
                let rest = until.saturating_duration_since(Instant::now());
                LONGEST_WAIT.min(Duration::from_secs(rest.as_secs()))
            }
        };
        let found = local.telemetry(&name, device_id, after, wait);
        let found = found.map_err(|error| refused(&error))?;
        // Then the service waits for nothing.
        if found.telemetry_count < after && options.follow {
            let sent = found.telemetry_count;
            return Err(Failure::new(exit::REFUSED, "the device has not sent so many messages")
                .why(format!(
                    "it has sent {sent}; the hub or the service may have been started anew"
                ))
                .remedy("begin with another number by --after"));
        }
        let is_end = found.messages.is_empty();
        for message in found.messages {
            after = message.sequence;
            if left > 0 && last.is_none_or(|last| after <= last) {
                left -= 1;
                match (hub.login.json, options.follow) {
                    (true, false) => all.push(message),
                    (true, true) => json_line(&message)?,
                    (false, _) => text_line(&message),
                }
            }
        }
        if !options.follow || until.is_some_and(|until| Instant::now() >= until) {
            last.get_or_insert(found.telemetry_count);
        }
        if left == 0 || last.is_some_and(|last| is_end || after >= last) {
            break;
        }
        if is_end && wait < Duration::from_secs(1) {
            // Less than a second is left, for which the service does not wait.
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    if hub.login.json && !options.follow {
        shown::list(&all)?;
    }
    match options.count {
        Some(count) if left > 0 && options.follow => {
            let came = count - left;
            Err(Failure::new(
                exit::TIMED_OUT,
                format!("{came} of {count} messages came in the time allowed"),
            )
            .remedy("give more time by --timeout, and see whether the device is connected: dps hub devices"))
        }
        _ => Ok(()),
    }
}

fn json_line(message: &TelemetryMessage) -> Result<(), Failure> {
    let text = serde_json::to_string(message)
        .map_err(|error| Failure::new(exit::OTHER, "the message cannot be shown").why(error))?;
    output::line(output::plain_json(&text));
    Ok(())
}

/// Number, time, properties and body. What a device sends must not command the terminal.
fn text_line(message: &TelemetryMessage) {
    let TelemetryMessage { sequence, enqueued_time_utc, properties, .. } = message;
    let properties: Vec<String> = properties
        .iter()
        .map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        })
        .collect();
    let body = match (&message.body, &message.body_base64) {
        (Some(text), _) => text.clone(),
        (None, Some(bytes)) => format!("(base64) {bytes}"),
        (None, None) => String::new(),
    };
    let line = format!("{sequence}  {enqueued_time_utc}  [{}]  {body}", properties.join("; "));
    output::line(printable(&line));
}
