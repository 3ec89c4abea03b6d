//! Keys in PKCS#11 tokens, by dps-hsm-pkcs11.

use crate::arguments::{Pkcs11List, TokenOptions};
use crate::failure::Failure;
use crate::{exit, output};
use dps_client::RegistrationId;
use dps_hsm_pkcs11::{Access, PinSource, Pkcs11Error, Pkcs11SymmetricKey, Pkcs11Uri, TokenEntry};
use dps_hsm_x509::X509Hsm;
use serde_json::json;

/// A symmetric key in a token.
pub(crate) type TokenKey = Pkcs11SymmetricKey;

/// The PIN, when no file is given.
const PIN_VARIABLE: &str = "PKCS11_PIN";

pub(crate) fn symmetric_key(
    id: RegistrationId,
    uri: &str,
    options: &TokenOptions,
) -> Result<TokenKey, Failure> {
    let uri = parse(uri)?;
    Pkcs11SymmetricKey::find(id, &uri, &access(options)).map_err(|error| unusable("key", &error))
}

pub(crate) fn x509(chain: &[u8], key: &str, options: &TokenOptions) -> Result<X509Hsm, Failure> {
    let key = parse(key)?;
    dps_hsm_pkcs11::x509(chain, &key, &access(options))
        .map_err(|error| unusable("certificate's key", &error))
}

pub(crate) fn x509_from_token(
    certificate: &str,
    key: &str,
    options: &TokenOptions,
) -> Result<X509Hsm, Failure> {
    let (certificate, key) = (parse(certificate)?, parse(key)?);
    dps_hsm_pkcs11::x509_from_token(&certificate, &key, &access(options))
        .map_err(|error| unusable("certificate and its key", &error))
}

/// `dps pkcs11 list`.
pub(crate) fn list(options: &Pkcs11List) -> Result<(), Failure> {
    let mut uri = parse(&options.uri)?;
    if let Some(module) = &options.tokens.module {
        // So that what is printed works wherever it is pasted.
        uri = uri.or_module(module);
    }
    let tokens = dps_hsm_pkcs11::list(&uri, &access(&options.tokens)).map_err(|error| {
        let failure = Failure::new(code(&error), "the tokens cannot be listed").why(&error);
        match error {
            Pkcs11Error::PinForSeveral { .. } => failure.remedy(format!(
                "or list all of them without a PIN: no --pin-file, no {PIN_VARIABLE}"
            )),
            _ => failure,
        }
    })?;
    if options.json {
        output::line(json!({ "tokens": tokens.iter().map(in_json).collect::<Vec<_>>() }));
        return Ok(());
    }
    for token in &tokens {
        output::line(format_args!("Token {:?}, slot {}", token.label, token.slot));
        output::line(format_args!("  {}", token.uri));
        for object in &token.objects {
            let what = format!("{} {}", object.kind.as_str(), object.algorithm);
            output::line(format_args!("  {:<20}{}", what.trim_end(), object.uri));
        }
        if token.login_required && !token.logged_in {
            output::line("  (private and secret keys show with --pin-file)");
        }
    }
    if tokens.is_empty() {
        output::line("No token matches");
    }
    Ok(())
}

fn in_json(token: &TokenEntry) -> serde_json::Value {
    let objects: Vec<_> = token
        .objects
        .iter()
        .map(|object| {
            json!({
                "uri": object.uri.to_string(),
                "type": object.kind.as_str(),
                "algorithm": object.algorithm,
            })
        })
        .collect();
    json!({
        "uri": token.uri.to_string(),
        "label": token.label,
        "slot": token.slot,
        "loggedIn": token.logged_in,
        "objects": objects,
    })
}

fn parse(uri: &str) -> Result<Pkcs11Uri, Failure> {
    Pkcs11Uri::parse(uri).map_err(|error| {
        Failure::new(exit::CONFIG, error.to_string())
            .remedy("write the URI as dps pkcs11 list prints it")
    })
}

fn access(options: &TokenOptions) -> Access {
    let mut access = Access::new();
    if let Some(module) = options.module.as_ref().filter(|path| !path.as_os_str().is_empty()) {
        access = access.module(module);
    }
    let in_variable = || std::env::var_os(PIN_VARIABLE).is_some_and(|pin| !pin.is_empty());
    match &options.pin_file {
        Some(path) => access.pin(PinSource::file(path)),
        None if in_variable() => access.pin(PinSource::variable(PIN_VARIABLE)),
        None => access,
    }
}

fn unusable(what: &str, error: &Pkcs11Error) -> Failure {
    let failure =
        Failure::new(code(error), format!("the {what} in the token cannot be used")).why(error);
    match error {
        Pkcs11Error::NoPin { .. } => failure
            .remedy(format!("give the file with the PIN by --pin-file, or set {PIN_VARIABLE}")),
        Pkcs11Error::NoModule => failure.remedy("name the token's library by --pkcs11-module"),
        Pkcs11Error::NoToken { .. }
        | Pkcs11Error::NoObject { .. }
        | Pkcs11Error::SeveralTokens { .. }
        | Pkcs11Error::SeveralObjects { .. } => {
            failure.remedy("see what there is by dps pkcs11 list")
        }
        _ => failure,
    }
}

/// What is wrong with the arguments is told from what is wrong with the token.
fn code(error: &Pkcs11Error) -> u8 {
    match error {
        Pkcs11Error::Uri(_)
        | Pkcs11Error::NoModule
        | Pkcs11Error::ModuleMissing { .. }
        | Pkcs11Error::ModuleUnusable { .. }
        | Pkcs11Error::NoPin { .. }
        | Pkcs11Error::PinSource(_)
        | Pkcs11Error::PinForSeveral { .. }
        | Pkcs11Error::Certificate(_) => exit::CONFIG,
        _ => exit::HSM,
    }
}
