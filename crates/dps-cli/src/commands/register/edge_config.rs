//! `dps register --config`: the section `provisioning` of IoT Edge's `config.yaml` in place of
//! options.

use crate::arguments::Register;
use crate::exit;
use crate::failure::Failure;
use crate::output;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const SCHEME: &str = "https://";
const FILE: &str = "file://";

/// Takes from the file what no option says.
pub(super) fn fill(mut options: Register, path: &Path) -> Result<Register, Failure> {
    let text = Zeroizing::new(
        fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?,
    );
    let refused = |why: String| {
        Failure::new(exit::CONFIG, format!("{} says not how to register", path.display())).why(why)
    };
    let section = section(&text).map_err(refused)?;
    apply(&mut options, &Members { name: "provisioning", members: &section }).map_err(refused)?;
    Ok(options)
}

fn section(text: &str) -> Result<Map<String, Value>, String> {
    // An error must not quote the lines around it: they may hold a key.
    let yaml = serde_saphyr::options! { with_snippet: false };
    let document: Value = serde_saphyr::from_str_with_options(text, yaml)
        .map_err(|error| format!("it is not YAML: {error}"))?;
    match document.get("provisioning") {
        Some(Value::Object(section)) => Ok(section.clone()),
        Some(_) => Err("provisioning is not a section".into()),
        None => Err("it has no section provisioning".into()),
    }
}

fn apply(options: &mut Register, provisioning: &Members<'_>) -> Result<(), String> {
    match provisioning.required("source")? {
        "dps" => {}
        "manual" => {
            return Err("provisioning.source is manual: the device has its hub's connection \
                        string, and there is nothing to register"
                .into());
        }
        other => return Err(format!("provisioning.source is {other:?}, and not dps")),
    }
    if let Some(endpoint) = provisioning.text("global_endpoint")?
        && !options.endpoint_given
    {
        let host = endpoint.strip_prefix(SCHEME).unwrap_or(endpoint);
        host.strip_suffix('/').unwrap_or(host).clone_into(&mut options.endpoint);
    }
    let scope = provisioning.required("scope_id")?;
    options.id_scope.get_or_insert_with(|| scope.to_owned());
    for name in ["always_reprovision_on_startup", "dynamic_reprovisioning"] {
        if provisioning.members.contains_key(name) {
            output::error(format_args!(
                "note: provisioning.{name} is for the Edge daemon and means nothing here\n"
            ));
        }
    }
    let attestation = match provisioning.members.get("attestation") {
        Some(Value::Object(members)) => Members { name: "provisioning.attestation", members },
        _ => return Err("provisioning.attestation is missing".into()),
    };
    prove(options, &attestation)
}

fn prove(options: &mut Register, attestation: &Members<'_>) -> Result<(), String> {
    let id = attestation.text("registration_id")?.map(str::to_owned);
    match attestation.required("method")? {
        "symmetric_key" => {
            if options.registration_id.is_none() && id.is_none() {
                attestation.required("registration_id")?;
            }
            if options.key.is_none() {
                options.key = Some(attestation.required("symmetric_key")?.to_owned());
            }
        }
        "x509" => {
            options.cert = Some(file(attestation, "identity_cert")?);
            options.cert_key = Some(file(attestation, "identity_pk")?);
        }
        "tpm" => {
            return Err("provisioning.attestation.method is tpm, which this command does not do \
                        from such a file"
                .into());
        }
        other => {
            return Err(format!(
                "provisioning.attestation.method is {other:?}; symmetric_key and x509 are known"
            ));
        }
    }
    if options.registration_id.is_none() {
        options.registration_id = id;
    }
    Ok(())
}

fn file(members: &Members<'_>, name: &str) -> Result<PathBuf, String> {
    let text = members.required(name)?;
    match text.strip_prefix(FILE) {
        Some(path) => {
            let path = percent_decode_str(path).decode_utf8();
            path.map(|path| PathBuf::from(&*path))
                .map_err(|_| format!("{}.{name} is not a path in UTF-8", members.name))
        }
        None => Ok(text.into()),
    }
}

/// A section, whose values are never shown: one of them may be a key.
struct Members<'a> {
    name: &'static str,
    members: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        let whole = format!("{}.{name}", self.name);
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Err(format!("{whole} is empty")),
            Some(Value::String(text)) if text.starts_with('{') && text.ends_with('}') => {
                Err(format!("{whole} is still the placeholder; put the value in its place"))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{whole} is not a text; put it in quotes")),
        }
    }

    fn required(&self, name: &str) -> Result<&'a str, String> {
        self.text(name)?.ok_or_else(|| format!("{}.{name} is missing", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No options.
    fn options() -> Register {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            register: Register,
        }
        let line = ["register", "--config", "c"];
        let mut options = <Line as clap::Parser>::try_parse_from(line).unwrap().register;
        // What variables of whoever runs the tests say.
        (options.id_scope, options.registration_id, options.key) = (None, None, None);
        options
    }

    fn words(text: &str) -> String {
        let section = match section(text) {
            Ok(section) => section,
            Err(why) => return why,
        };
        let members = Members { name: "provisioning", members: &section };
        let mut options = options();
        match apply(&mut options, &members) {
            Ok(()) => format!(
                "{} {} {} {} {}",
                options.endpoint,
                options.id_scope.unwrap_or_default(),
                options.registration_id.unwrap_or_default(),
                options.key.unwrap_or_default(),
                options.cert.unwrap_or_default().display()
            ),
            Err(why) => why,
        }
    }

    const HEAD: &str = "provisioning:\n   source: \"dps\"\n   global_endpoint: \"https://h.example:8883/\"\n   scope_id: \"0ne1\"\n   attestation:\n      ";

    #[test]
    fn the_sections_of_the_article_are_read() {
        let key = "method: \"symmetric_key\"\n      registration_id: \"dev\"\n      symmetric_key: \"S2V5\"\n";
        assert_eq!(words(&format!("{HEAD}{key}")), "h.example:8883 0ne1 dev S2V5 ");
        let x509 = "method: x509\n      identity_cert: file:///etc/a%20b.pem\n      identity_pk: /etc/k.pem\n";
        assert_eq!(
            words(&format!("{HEAD}{x509}agent: {{name: x}}\n")),
            "h.example:8883 0ne1   /etc/a b.pem"
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_no_value_is_shown() {
        let attested = |text: &str| words(&format!("{HEAD}{text}\n"));
        let cases = [
            (words("a: 1\n"), "no section provisioning"),
            (words("provisioning: x\n"), "not a section"),
            (words("provisioning:\n  source: manual\n"), "manual"),
            (words("provisioning:\n  source: est\n"), "not dps"),
            (words("provisioning:\n  source: dps\n"), "provisioning.scope_id is missing"),
            (words("provisioning:\n  source: dps\n  scope_id: \"{scope_id}\"\n"), "placeholder"),
            (words("provisioning:\n  source: dps\n  scope_id: 12\n"), "not a text"),
            (words("provisioning:\n  source: dps\n  scope_id: s\n"), "attestation is missing"),
            (attested("method: tpm"), "tpm"),
            (attested("method: other"), "symmetric_key and x509"),
            (attested("method: symmetric_key"), "attestation.registration_id is missing"),
            (
                attested("method: symmetric_key\n      registration_id: d"),
                "attestation.symmetric_key is missing",
            ),
            (attested("method: x509\n      identity_cert: c"), "identity_pk is missing"),
            (words("provisioning:\n  source: dps\n symmetric_key: \"S3cr3t\n"), "not YAML"),
        ];
        for (said, expected) in cases {
            assert!(said.contains(expected), "{said} has no {expected}");
            assert!(!said.contains("S3cr3t"), "{said}");
        }
    }
}
