//! `dps derive-key` (`wire-protocol.md` section 1.2).

mod bulk;
mod ids;

use super::made::{self, New, refuse_existing};
use crate::arguments::DeriveKey;
use crate::exit;
use crate::failure::Failure;
use crate::secrets::Secrets;
use crate::{key_source, output};
use dps_client::{Endpoint, IdScope, RegistrationId, SymmetricKey};
use std::path::Path;

pub(crate) fn run(options: &DeriveKey) -> Result<(), Failure> {
    if let Some(out) = &options.out {
        refuse_existing(&[out], options.force)?;
    }
    if let (Some(ids), Some(out)) = (&options.ids, &options.out) {
        return bulk::run(options, ids, out);
    }
    // The id first: a typing error there should not cost typing the key.
    let id = RegistrationId::new(options.registration_id.as_deref().unwrap_or_default())?;
    match &options.out {
        Some(out) => write_secrets(options, &id, out),
        None => {
            let key = GroupKeys::read(options)?.primary.derive(&id);
            output::line(key.to_base64().as_str());
            Ok(())
        }
    }
}

/// The keys of an enrollment group.
struct GroupKeys {
    primary: SymmetricKey,
    secondary: Option<SymmetricKey>,
}

impl GroupKeys {
    fn read(options: &DeriveKey) -> Result<Self, Failure> {
        let secondary = match (&options.secondary, &options.secondary_file) {
            (Some(key), _) => Some(SymmetricKey::from_base64(key)?),
            (None, Some(path)) => Some(key_source::from_file(path)?),
            (None, None) => None,
        };
        let primary = match (&options.key, &options.key_file) {
            (Some(key), _) => SymmetricKey::from_base64(key)?,
            (None, Some(path)) => key_source::from_file(path)?,
            (None, None) => key_source::from_stdin()?,
        };
        Ok(Self { primary, secondary })
    }
}

fn write_secrets(options: &DeriveKey, id: &RegistrationId, out: &Path) -> Result<(), Failure> {
    let id_scope = match options.id_scope.as_deref() {
        Some(scope) if !scope.is_empty() => IdScope::new(scope)?,
        _ => {
            return Err(Failure::new(exit::CONFIG, "the ID scope is missing")
                .why("the device has to know it")
                .remedy("give --id-scope, as the service's overview page shows it"));
        }
    };
    let endpoint = match options.endpoint.as_str() {
        "" => dps_client::GLOBAL_ENDPOINT,
        text => {
            Endpoint::parse(text).map_err(|error| Failure::new(exit::CONFIG, error.to_string()))?;
            text
        }
    };
    let group = GroupKeys::read(options)?;
    let secrets = Secrets {
        endpoint: endpoint.to_owned(),
        id_scope: id_scope.as_str().to_owned(),
        registration_id: id.as_str().to_owned(),
        primary: group.primary.derive(id),
        secondary: group.secondary.map(|key| key.derive(id)),
    };
    let bytes = secrets.to_json();
    made::write_all(&[New { path: out, bytes: &bytes, secret: true }], options.force)?;
    output::line(format_args!("Secrets of {id}  {}", out.display()));
    Ok(())
}
