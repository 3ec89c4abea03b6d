//! `dps register --secrets`: the primary key, and the secondary one when that is refused.

use super::{Proof, Registered, attempt, refused};
use crate::arguments::{OutputFormat, Register};
use crate::commands::made::{self, New};
use crate::exit;
use crate::failure::Failure;
use crate::output;
use crate::secrets::Secrets;
use dps_client::{Assignment, RegistrationId, SymmetricKey};
use std::path::Path;

pub(super) fn run(
    mut options: Register,
    path: &Path,
    tell: impl FnOnce(&Registered),
) -> Result<Registered, Failure> {
    let secrets = Secrets::read(path)?;
    if !options.endpoint_given {
        options.endpoint.clone_from(&secrets.endpoint);
    }
    options.id_scope.get_or_insert_with(|| secrets.id_scope.clone());
    let id = options.registration_id.get_or_insert_with(|| secrets.registration_id.clone());
    let id = RegistrationId::new(id.as_str())?;
    let (proof, assignment) = register(&options, &id, &secrets)?;
    let registered = Registered { options, proof, assignment };
    tell(&registered);
    let Registered { options, assignment, .. } = &registered;
    if let Some(path) = &options.settings {
        let bytes = secrets.settings(assignment);
        let force = path.exists();
        made::write_all(&[New { path, bytes: &bytes, secret: true }], force)?;
        if options.output == OutputFormat::Text {
            output::line(format_args!("Settings: {}", path.display()));
        }
    }
    Ok(registered)
}

fn register(
    options: &Register,
    id: &RegistrationId,
    secrets: &Secrets,
) -> Result<(Proof, Assignment), Failure> {
    let proof = |key: &SymmetricKey| Proof::Key(id.clone(), key.clone());
    let primary = proof(&secrets.primary);
    let error = match attempt(options, &primary)? {
        Ok(assignment) => return Ok((primary, assignment)),
        Err(error) => error,
    };
    let Some(secondary) = secrets.secondary.as_ref().map(proof) else {
        return Err(refused(options, &error));
    };
    // Only another key helps against what a key has done.
    if exit::of(&error) != exit::CREDENTIALS {
        return Err(refused(options, &error));
    }
    output::error(format_args!(
        "note: the service refused the primary key ({error}); trying the secondary key\n"
    ));
    match attempt(options, &secondary)? {
        Ok(assignment) => Ok((secondary, assignment)),
        Err(error) if exit::of(&error) == exit::CREDENTIALS => Err(refused(options, &error)
            .what("the service refused both the primary and the secondary key")
            .remedy(
                "the enrollment group's keys have probably been regenerated: derive the device's \
                 keys from the present ones (dps derive-key --out)",
            )),
        Err(error) => Err(refused(options, &error)),
    }
}
