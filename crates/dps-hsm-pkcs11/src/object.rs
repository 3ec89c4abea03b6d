//! Objects on a token: finding them, and what they are.

use crate::error::failed;
use crate::token::{Token, with_unknown};
use crate::uri::ObjectType;
use crate::{Pkcs11Error, Pkcs11Uri};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

/// A kind of object that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PrivateKey,
    SecretKey,
    Certificate,
    PublicKey,
}

impl Kind {
    pub(crate) const fn class(self) -> ObjectClass {
        match self {
            Self::PrivateKey => ObjectClass::PRIVATE_KEY,
            Self::SecretKey => ObjectClass::SECRET_KEY,
            Self::Certificate => ObjectClass::CERTIFICATE,
            Self::PublicKey => ObjectClass::PUBLIC_KEY,
        }
    }

    /// For messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PrivateKey => "private key",
            Self::SecretKey => "secret key",
            Self::Certificate => "certificate",
            Self::PublicKey => "public key",
        }
    }

    pub(crate) const fn in_uri(self) -> ObjectType {
        match self {
            Self::PrivateKey => ObjectType::Private,
            Self::SecretKey => ObjectType::SecretKey,
            Self::Certificate => ObjectType::Certificate,
            Self::PublicKey => ObjectType::Public,
        }
    }
}

/// An object and how to tell it from others.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) handle: ObjectHandle,
    pub(crate) label: Vec<u8>,
    pub(crate) id: Vec<u8>,
}

impl Object {
    /// Label and id, for messages.
    pub(crate) fn name(&self) -> String {
        let label = String::from_utf8_lossy(&self.label);
        let id: String = self.id.iter().map(|byte| format!("%{byte:02x}")).collect();
        match (label.is_empty(), id.is_empty()) {
            (false, false) => format!("{label:?} (id {id})"),
            (false, true) => format!("{label:?} (no id)"),
            (true, false) => format!("id {id} (no label)"),
            (true, true) => "one without label and id".to_owned(),
        }
    }
}

/// Checks that a URI does not name another kind of object.
pub(crate) fn check_kind(uri: &Pkcs11Uri, kind: Kind) -> Result<(), Pkcs11Error> {
    if uri.kind.is_none_or(|asked| asked == kind.in_uri()) {
        return Ok(());
    }
    let expected = match kind {
        Kind::PrivateKey => "private, or absent: a private key is needed",
        Kind::SecretKey => "secret-key, or absent: a secret key is needed",
        Kind::Certificate => "cert, or absent: a certificate is needed",
        Kind::PublicKey => "public, or absent: a public key is needed",
    };
    Err(crate::UriError::Value { name: "type", expected }.into())
}

/// The objects of a kind that match a URI.
pub(crate) fn find(
    session: &Session,
    uri: &Pkcs11Uri,
    kind: Kind,
) -> Result<Vec<Object>, Pkcs11Error> {
    let mut template = vec![Attribute::Class(kind.class())];
    if let Some(label) = &uri.object {
        template.push(Attribute::Label(label.as_bytes().to_vec()));
    }
    if let Some(id) = &uri.id {
        template.push(Attribute::Id(id.clone()));
    }
    matching(session, &template)
}

/// The objects that have these attributes, with their names.
pub(crate) fn matching(
    session: &Session,
    template: &[Attribute],
) -> Result<Vec<Object>, Pkcs11Error> {
    let operation = "search its objects";
    let handles = session.find_objects(template).map_err(|error| failed(operation, &error))?;
    handles
        .into_iter()
        .map(|handle| {
            let mut object = Object { handle, label: Vec::new(), id: Vec::new() };
            for attribute in
                attributes(session, handle, &[AttributeType::Label, AttributeType::Id])?
            {
                match attribute {
                    Attribute::Label(label) => object.label = label,
                    Attribute::Id(id) => object.id = id,
                    _ => {}
                }
            }
            Ok(object)
        })
        .collect()
}

/// Those of the attributes that the object has and shows.
pub(crate) fn attributes(
    session: &Session,
    object: ObjectHandle,
    wanted: &[AttributeType],
) -> Result<Vec<Attribute>, Pkcs11Error> {
    // One by one: some modules fail at all of them for one that they do not know.
    let mut found = Vec::with_capacity(wanted.len());
    for kind in wanted {
        match session.get_attributes(object, &[*kind]) {
            Ok(attributes) => found.extend(attributes),
            Err(error) if crate::error::is_lost(&error) => {
                return Err(failed("describe an object", &error));
            }
            // It has none, in its module's own way.
            Err(_) => {}
        }
    }
    Ok(found)
}

/// The type of a key, if the object is one.
pub(crate) fn key_type(session: &Session, object: &Object) -> Result<Option<KeyType>, Pkcs11Error> {
    let found = attributes(session, object.handle, &[AttributeType::KeyType])?;
    Ok(found.into_iter().find_map(|attribute| match attribute {
        Attribute::KeyType(kind) => Some(kind),
        _ => None,
    }))
}

/// Whether a yes-or-no attribute is there and says yes.
pub(crate) fn flag(
    session: &Session,
    object: &Object,
    kind: AttributeType,
) -> Result<Option<bool>, Pkcs11Error> {
    let found = attributes(session, object.handle, &[kind])?;
    Ok(found.into_iter().find_map(|attribute| match attribute {
        Attribute::AlwaysAuthenticate(on) | Attribute::Sign(on) => Some(on),
        _ => None,
    }))
}

/// Names of objects, for messages.
pub(crate) fn names(objects: &[Object]) -> String {
    objects.iter().map(Object::name).collect::<Vec<_>>().join(", ")
}

/// The error for a search without result, which says what there is instead.
pub(crate) fn missing(
    session: &Session,
    token: &Token,
    uri: &Pkcs11Uri,
    kind: Kind,
) -> Pkcs11Error {
    let all = matching(session, &[Attribute::Class(kind.class())]).unwrap_or_default();
    let present = match all.as_slice() {
        [] => "it has none".to_owned(),
        some => format!("it has {}", names(some)),
    };
    Pkcs11Error::NoObject {
        what: kind.name(),
        token: token.label(),
        uri: uri.path(),
        present: with_unknown(present, uri),
    }
}
