//! What the doctor found, told as it is found or in one JSON document.

use super::clock::ALARMING;
use super::door::Door;
use crate::{exit, output};
use dps_client::{Endpoint, Error, Transport};
use serde_json::{Value, json};
use std::net::IpAddr;

/// Whether something works, and what to do if not.
#[derive(Clone)]
pub(super) struct Outcome {
    ok: bool,
    text: String,
    hint: Option<String>,
    /// The exit code that goes with it.
    pub(super) code: u8,
}

impl Outcome {
    pub(super) fn ok(text: impl Into<String>) -> Self {
        Self { ok: true, text: text.into(), hint: None, code: 0 }
    }

    pub(super) fn failed(error: &Error) -> Self {
        let hint = Some(error.hint().to_owned());
        Self { ok: false, text: error.to_string(), hint, code: exit::of(error) }
    }

    pub(super) fn failed_at(code: u8, text: impl Into<String>) -> Self {
        Self { ok: false, text: text.into(), hint: None, code }
    }

    pub(super) fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    fn advised(mut self, advice: Option<String>) -> Self {
        self.hint = advice.or(self.hint);
        self
    }

    fn to_json(&self) -> Value {
        json!({ "ok": self.ok, "text": self.text, "hint": self.hint })
    }
}

/// A transport that was tried.
pub(super) struct Attempt {
    pub(super) transport: Transport,
    pub(super) port: u16,
    pub(super) outcome: Outcome,
}

pub(super) struct Findings {
    text: bool,
    document: Value,
    doors: Vec<Value>,
    transports: Vec<Value>,
    /// Subjects of the chains that were shown already.
    shown: Vec<Vec<String>>,
    open: Vec<u16>,
    worked: Vec<&'static str>,
    blocked: Vec<&'static str>,
    first: Option<Outcome>,
}

impl Findings {
    pub(super) fn new(endpoint: &Endpoint, text: bool) -> Self {
        let document = json!({ "endpoint": endpoint.to_string() });
        let findings = Self {
            text,
            document,
            doors: Vec::new(),
            transports: Vec::new(),
            shown: Vec::new(),
            open: Vec::new(),
            worked: Vec::new(),
            blocked: Vec::new(),
            first: None,
        };
        findings.say("Endpoint", "", endpoint);
        findings
    }

    /// Whether there is an address to go on with.
    pub(super) fn resolve(&mut self, result: Result<Vec<IpAddr>, Error>) -> bool {
        let outcome = match &result {
            Ok(addresses) => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                Outcome::ok(addresses.join(", "))
            }
            Err(error) => Outcome::failed(error),
        };
        self.record("Name", &outcome);
        self.insert("name", outcome.to_json());
        outcome.ok
    }

    pub(super) fn door(&mut self, door: Door) {
        let outcome = match &door.result {
            Ok(took) => {
                Outcome::ok(format!("{} in {} ms", door.version.unwrap_or("TLS"), took.as_millis()))
            }
            Err(error) => Outcome::failed(error).advised(door.advice),
        };
        self.record(&format!("Port {}", door.port), &outcome);
        if let Some(proxy) = &door.proxy {
            self.say("", "proxy", proxy);
        }
        let subjects: Vec<String> = door.chain.iter().map(|one| one.subject.clone()).collect();
        if !subjects.is_empty() && !self.shown.contains(&subjects) {
            for (index, certificate) in door.chain.iter().enumerate() {
                let role = if index == 0 { "server" } else { "issuer" };
                self.say(
                    "",
                    role,
                    format_args!(
                        "{}, until {}{}",
                        certificate.subject,
                        certificate.not_after,
                        match certificate.names.as_slice() {
                            [] => String::new(),
                            names => format!(", for {}", names.join(", ")),
                        }
                    ),
                );
            }
            match &door.anchor {
                Some(anchor) => self.say("", "anchor", anchor),
                None => self.say("", "anchor", "none that is trusted vouches for these"),
            }
            self.shown.push(subjects);
        }
        if outcome.ok {
            self.open.push(door.port);
        }
        let mut value = outcome.to_json();
        if let Some(members) = value.as_object_mut() {
            members.insert("port".into(), door.port.into());
            members.insert("proxy".into(), door.proxy.into());
            members.insert("tlsVersion".into(), door.version.into());
            members.insert(
                "chain".into(),
                door.chain.iter().map(super::chain::Certificate::to_json).collect(),
            );
            members.insert("anchor".into(), door.anchor.into());
        }
        self.doors.push(value);
    }

    pub(super) fn clock_not_compared(&self) {
        self.say("Clock", "unknown", "not compared: that takes a transport on the port of HTTPS");
    }

    pub(super) fn clock(&mut self, result: Result<i64, Error>) {
        let outcome = match &result {
            Ok(ahead) if ahead.unsigned_abs() >= ALARMING.as_secs() => {
                let direction = if *ahead > 0 { "ahead of" } else { "behind" };
                let seconds = ahead.unsigned_abs();
                let text = format!("this machine's clock is {seconds} s {direction} the service's");
                let hint = "set this machine's clock, for example by NTP: tokens and certificates depend on it";
                Outcome::failed_at(6, text).advised(Some(hint.into()))
            }
            Ok(ahead) => {
                Outcome::ok(format!("within {} s of the service's", ahead.unsigned_abs().max(1)))
            }
            // That port's own trouble is told already.
            Err(error) => Outcome { code: 0, ..Outcome::failed(error) },
        };
        if result.is_ok() {
            self.record("Clock", &outcome);
        } else {
            self.say("Clock", "unknown", &outcome.text);
        }
        let mut value = outcome.to_json();
        if let (Some(members), Ok(ahead)) = (value.as_object_mut(), result) {
            members.insert("aheadSeconds".into(), ahead.into());
        }
        self.insert("clock", value);
    }

    pub(super) fn transport(&mut self, attempt: Attempt) {
        let Attempt { transport, port, outcome } = attempt;
        let name = transport.as_str();
        self.record(name, &outcome);
        if outcome.ok { &mut self.worked } else { &mut self.blocked }.push(name);
        let mut value = outcome.to_json();
        if let Some(members) = value.as_object_mut() {
            members.insert("transport".into(), name.into());
            members.insert("port".into(), port.into());
        }
        self.transports.push(value);
    }

    /// Whether TCP and TLS work at this port.
    pub(super) fn is_open(&self, port: u16) -> bool {
        self.open.contains(&port)
    }

    /// The sum of it; the first thing that does not work, if there is one.
    pub(super) fn conclude(mut self) -> Option<Outcome> {
        let summary = match (self.worked.as_slice(), self.blocked.as_slice(), &self.first) {
            (_, [], None) => "nothing is in the way".to_owned(),
            (_, [], Some(first)) => first.text.clone(),
            ([], _, _) => "no transport works".to_owned(),
            (worked, blocked, _) => {
                format!("{} blocked; use {}", blocked.join(", "), worked.join(" or "))
            }
        };
        self.say("Summary", if self.first.is_none() { "ok" } else { "BLOCKED" }, &summary);
        if !self.text {
            let (doors, transports) =
                (std::mem::take(&mut self.doors), std::mem::take(&mut self.transports));
            self.insert("ports", doors.into());
            self.insert("transports", transports.into());
            self.insert("ok", self.first.is_none().into());
            self.insert("summary", summary.into());
            output::line(&self.document);
        }
        self.first
    }

    fn record(&mut self, what: &str, outcome: &Outcome) {
        self.say(what, if outcome.ok { "ok" } else { "FAILED" }, &outcome.text);
        if let Some(hint) = &outcome.hint {
            self.say("", "to do", hint);
        }
        if !outcome.ok && self.first.is_none() {
            self.first = Some(outcome.clone());
        }
    }

    fn say(&self, what: &str, how: &str, text: impl std::fmt::Display) {
        if self.text {
            output::line(format_args!("{what:<10} {how:<8} {text}"));
        }
    }

    fn insert(&mut self, name: &str, value: Value) {
        if let Some(members) = self.document.as_object_mut() {
            members.insert(name.into(), value);
        }
    }
}
