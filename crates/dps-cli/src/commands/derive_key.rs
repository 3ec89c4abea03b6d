//! `dps derive-key` (`wire-protocol.md` section 1.2).

use crate::arguments::DeriveKey;
use crate::failure::Failure;
use crate::{key_source, output};
use dps_client::{RegistrationId, SymmetricKey};

pub(crate) fn run(options: &DeriveKey) -> Result<(), Failure> {
    // The id first: a typing error there should not cost typing the key.
    let id = RegistrationId::new(options.registration_id.as_str())?;
    let group_key = match (&options.key, &options.key_file) {
        (Some(key), _) => SymmetricKey::from_base64(key)?,
        (None, Some(path)) => key_source::from_file(path)?,
        (None, None) => key_source::from_stdin()?,
    };
    output::line(group_key.derive(&id).to_base64().as_str());
    Ok(())
}
