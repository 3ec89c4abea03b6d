//! What failed, why, and what to do: the text on standard error.

use crate::exit;
use crate::output::printable;
use dps_client::{Error, IdError, KeyError};
use std::fmt;
use std::path::Path;

#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    what: String,
    why: Option<String>,
    stage: Option<&'static str>,
    service: Option<String>,
    remedy: Option<String>,
    reported: bool,
}

impl Failure {
    pub(crate) fn new(code: u8, what: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            why: None,
            stage: None,
            service: None,
            remedy: None,
            reported: false,
        }
    }

    /// Says better what has failed.
    pub(crate) fn what(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    pub(crate) fn why(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Where it failed.
    pub(crate) fn at(mut self, stage: &'static str) -> Self {
        self.stage = Some(stage);
        self
    }

    /// What the service says, on a line of its own; what was said of it before goes.
    pub(crate) fn service(mut self, service: impl fmt::Display) -> Self {
        self.service = Some(service.to_string());
        self.why = None;
        self
    }

    /// A registration that failed.
    pub(crate) fn registration(error: &Error) -> Self {
        Self::of(error, "the device is not registered")
    }

    /// A registered device that could not work with its hub.
    pub(crate) fn hub(error: &Error) -> Self {
        Self::of(error, "the device is registered, but could not work with its hub")
    }

    fn of(error: &Error, what: &str) -> Self {
        // The service's words get a line of their own.
        let text = error.to_string();
        let stage = error.stage().as_str();
        let why =
            text.strip_prefix(stage).and_then(|text| text.strip_prefix(": ")).unwrap_or(&text);
        let service = error.service().map(ToString::to_string);
        let why = match &service {
            Some(service) => why.replacen(&format!(" ({service})"), "", 1),
            None => why.to_owned(),
        };
        Self {
            code: exit::of(error),
            what: what.into(),
            why: Some(why),
            stage: Some(stage),
            service,
            remedy: Some(error.hint().into()),
            reported: false,
        }
    }

    /// A file that could not be read or written.
    pub(crate) fn file(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(exit::OTHER, format!("cannot {verb} {}", path.display())).why(error)
    }

    /// A JSON document about it stands on standard output already.
    pub(crate) fn reported(mut self) -> Self {
        self.reported = true;
        self
    }

    pub(crate) fn is_reported(&self) -> bool {
        self.reported
    }

    /// For scripts that asked for JSON: the same members as for a failed registration.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let message = match self.why.as_ref().or(self.service.as_ref()) {
            Some(why) => format!("{}: {why}", self.what),
            None => self.what.clone(),
        };
        serde_json::json!({
            "status": "error",
            "stage": self.stage.unwrap_or("config"),
            "message": message,
            "hint": self.remedy,
        })
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

impl From<IdError> for Failure {
    fn from(error: IdError) -> Self {
        Self::new(exit::CONFIG, error.to_string())
            .remedy("correct the option, or the PROVISIONING_* variable in its place")
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::new(exit::CONFIG, error.to_string())
            .remedy("give the key as the service shows it, in a file or an option")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.what)?;
        let lines = [
            ("stage", self.stage),
            ("why", self.why.as_deref()),
            ("service", self.service.as_deref()),
            ("to do", self.remedy.as_deref()),
        ];
        for (name, text) in lines {
            if let Some(text) = text {
                // Some of it is what the other side says.
                let text = text.split('\n').map(printable).collect::<Vec<_>>().join("\n");
                writeln!(f, "  {:<9}{text}", format!("{name}:"))?;
            }
        }
        Ok(())
    }
}
