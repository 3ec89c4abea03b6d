//! Files that hold what a device must know: `secrets.json` from the factory, and `settings.json`
//! from its registration.

use crate::exit;
use crate::failure::Failure;
use dps_client::{Assignment, SymmetricKey};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use zeroize::Zeroizing;

/// No such file is larger.
const MAX_BYTES: u64 = 16 * 1024;

/// What a device needs for its first boot.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) endpoint: String,
    pub(crate) id_scope: String,
    pub(crate) registration_id: String,
    pub(crate) primary: SymmetricKey,
    pub(crate) secondary: Option<SymmetricKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document<'a> {
    #[serde(borrow)]
    endpoint: Cow<'a, str>,
    #[serde(borrow)]
    id_scope: Cow<'a, str>,
    #[serde(borrow)]
    registration_id: Cow<'a, str>,
    #[serde(borrow)]
    primary_key: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    secondary_key: Option<Cow<'a, str>>,
}

impl Secrets {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let refused = |why: &dyn std::fmt::Display| {
            Failure::new(exit::CONFIG, format!("{} is not a secrets file", path.display()))
                .why(why)
                .remedy("make one by dps derive-key --registration-id ID --out FILE")
        };
        // Of one size from the beginning: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 1));
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| Failure::file("read", path, &error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(refused(&format_args!("it has more than {MAX_BYTES} bytes")));
        }
        // Its errors name lines and members, and quote nothing but unexpected members' names.
        let document: Document<'_> =
            serde_json::from_slice(&bytes).map_err(|error| refused(&error))?;
        let key = |name: &str, text: &str| {
            SymmetricKey::from_base64(text)
                .map_err(|error| refused(&format_args!("{name}: {error}")))
        };
        let secondary = document.secondary_key.as_deref();
        Ok(Self {
            primary: key("primaryKey", &document.primary_key)?,
            secondary: secondary.map(|text| key("secondaryKey", text)).transpose()?,
            endpoint: document.endpoint.into_owned(),
            id_scope: document.id_scope.into_owned(),
            registration_id: document.registration_id.into_owned(),
        })
    }

    /// The file's text.
    pub(crate) fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let primary = self.primary.to_base64();
        let secondary = self.secondary.as_ref().map(SymmetricKey::to_base64);
        json(&Document {
            endpoint: self.endpoint.as_str().into(),
            id_scope: self.id_scope.as_str().into(),
            registration_id: self.registration_id.as_str().into(),
            primary_key: primary.as_str().into(),
            secondary_key: secondary.as_ref().map(|key| key.as_str().into()),
        })
    }

    /// The connection strings of the hub, as a file's text. Both, whichever key has let the
    /// device in.
    pub(crate) fn settings(&self, assignment: &Assignment) -> Zeroizing<Vec<u8>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Settings<'a> {
            primary_connection_string: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            secondary_connection_string: Option<&'a str>,
        }
        let primary = assignment.connection_string(&self.primary);
        let secondary = self.secondary.as_ref().map(|key| assignment.connection_string(key));
        json(&Settings {
            primary_connection_string: &primary,
            secondary_connection_string: secondary.as_ref().map(|text| text.as_str()),
        })
    }
}

fn json(document: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
    // Text and memory take everything.
    let _ = serde_json::to_writer_pretty(&mut *text, document);
    text.push(b'\n');
    text
}
