//! Tokens: which one a URI means, and a session on it.

use crate::error::{code, failed, reason};
use crate::pin::{self, PinSource};
use crate::{Pkcs11Error, Pkcs11Uri, module};
use cryptoki::context::Pkcs11;
use cryptoki::error::{Error as CallError, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;
use std::path::Path;

/// A token in its slot.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) slot: Slot,
    pub(crate) info: TokenInfo,
}

impl Token {
    pub(crate) fn label(&self) -> String {
        self.info.label().trim_end().to_owned()
    }

    /// For a list of candidates.
    fn name(&self) -> String {
        format!("{:?} (serial {})", self.label(), self.info.serial_number().trim_end())
    }
}

/// All tokens of a module that are set up.
pub(crate) fn all(module: &Pkcs11) -> Result<Vec<Token>, Pkcs11Error> {
    let operation = "list the tokens";
    let slots = match module.get_slots_with_token() {
        // Another part of the process has finalised it.
        Err(error) if code(&error) == Some(RvError::CryptokiNotInitialized) => {
            module::initialise(module).and_then(|()| module.get_slots_with_token())
        }
        slots => slots,
    };
    let mut tokens = Vec::new();
    for slot in slots.map_err(|error| failed(operation, &error))? {
        // A token may be taken away between the calls, or be broken.
        if let Ok(info) = module.get_token_info(slot)
            && info.token_initialized()
        {
            tokens.push(Token { slot, info });
        }
    }
    Ok(tokens)
}

/// The one token that a URI means.
pub(crate) fn find(module: &Pkcs11, uri: &Pkcs11Uri) -> Result<Token, Pkcs11Error> {
    let all = all(module)?;
    match matching(module, uri, &all)?.as_slice() {
        [only] => Ok(only.clone()),
        [] => {
            let present = match all.as_slice() {
                [] => "the module shows no token at all".to_owned(),
                _ => format!("there is {}", names(&all)),
            };
            Err(Pkcs11Error::NoToken { uri: uri.path(), present: with_unknown(present, uri) })
        }
        several => Err(Pkcs11Error::SeveralTokens { uri: uri.path(), candidates: names(several) }),
    }
}

/// Those of the tokens that a URI means.
pub(crate) fn matching(
    module: &Pkcs11,
    uri: &Pkcs11Uri,
    all: &[Token],
) -> Result<Vec<Token>, Pkcs11Error> {
    let mut found = Vec::new();
    for token in all {
        if matches(module, uri, token)? {
            found.push(token.clone());
        }
    }
    Ok(found)
}

/// A list of candidates, always in the same order.
pub(crate) fn names(tokens: &[Token]) -> String {
    let mut names: Vec<String> = tokens.iter().map(Token::name).collect();
    names.sort_unstable();
    names.join(", ")
}

/// Mentions attributes that were passed over: one may be a typing error.
pub(crate) fn with_unknown(text: String, uri: &Pkcs11Uri) -> String {
    match uri.unknown.as_slice() {
        [] => text,
        names => format!("{text}; not known here and passed over: {}", names.join(", ")),
    }
}

fn matches(module: &Pkcs11, uri: &Pkcs11Uri, token: &Token) -> Result<bool, Pkcs11Error> {
    // Fields are filled up with spaces.
    let same = |wanted: &Option<String>, field: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted.trim_end() == field.trim_end())
    };
    let info = &token.info;
    if !(same(&uri.token, info.label())
        && same(&uri.manufacturer, info.manufacturer_id())
        && same(&uri.serial, info.serial_number())
        && same(&uri.model, info.model())
        && uri.slot_id.is_none_or(|id| id == token.slot.id()))
    {
        return Ok(false);
    }
    if uri.slot_description.is_some() || uri.slot_manufacturer.is_some() {
        let slot = module
            .get_slot_info(token.slot)
            .map_err(|error| failed("describe its slot", &error))?;
        if !(same(&uri.slot_description, slot.slot_description())
            && same(&uri.slot_manufacturer, slot.manufacturer_id()))
        {
            return Ok(false);
        }
    }
    let about_library = uri.library_description.is_some()
        || uri.library_manufacturer.is_some()
        || uri.library_version.is_some();
    if about_library {
        let library =
            module.get_library_info().map_err(|error| failed("describe its module", &error))?;
        let version = library.library_version();
        return Ok(same(&uri.library_description, library.library_description())
            && same(&uri.library_manufacturer, library.manufacturer_id())
            && uri
                .library_version
                .is_none_or(|wanted| wanted == (version.major(), version.minor())));
    }
    Ok(true)
}

/// How to reach a token, apart from what its URI says.
#[derive(Clone, Debug, Default)]
pub struct Access {
    module: Option<std::path::PathBuf>,
    pin: PinSource,
}

impl Access {
    /// By what the URI says; the module else by `PKCS11_MODULE_PATH` in the environment, else that
    /// of p11-kit.
    pub fn new() -> Self {
        Self::default()
    }

    /// The module to use for URIs without `module-path` and `module-name`: a path, or a name that
    /// the system's loader finds.
    #[must_use]
    pub fn module(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.module = Some(path.into());
        self
    }

    /// Gives the PIN for URIs without `pin-value` and `pin-source`.
    #[must_use]
    pub fn pin(mut self, source: PinSource) -> Self {
        self.pin = source;
        self
    }

    pub(crate) fn module_path(&self) -> Option<&Path> {
        self.module.as_deref()
    }

    pub(crate) fn pin_source(&self) -> &PinSource {
        &self.pin
    }
}

/// A session in which nobody has logged in yet, as far as this process is concerned.
pub(crate) fn open(module: &Pkcs11, token: &Token) -> Result<Session, Pkcs11Error> {
    module.open_ro_session(token.slot).map_err(|error| failed("open a session", &error))
}

/// Logs in unless the token wants none, or the process is logged in already: PKCS#11 knows one
/// login per process and token.
pub(crate) fn log_in(
    session: &Session,
    token: &Token,
    uri: &Pkcs11Uri,
    access: &Access,
) -> Result<(), Pkcs11Error> {
    if !token.info.login_required() {
        return Ok(());
    }
    let state = session.get_session_info().map(|info| info.session_state());
    if matches!(state, Ok(SessionState::RoUser | SessionState::RwUser)) {
        return Ok(());
    }
    give_pin(session, UserType::User, token, uri, access)
}

/// One login; a token counts wrong ones, so there is no second try here.
pub(crate) fn give_pin(
    session: &Session,
    user: UserType,
    token: &Token,
    uri: &Pkcs11Uri,
    access: &Access,
) -> Result<(), Pkcs11Error> {
    let label = token.label();
    if token.info.user_pin_locked() {
        return Err(Pkcs11Error::PinLocked { token: label });
    }
    let pin = pin::find(uri, access.pin_source(), &label)?;
    let answer = match pin {
        Some(pin) => session.login_with_raw(user, &RawAuthPin::new(Box::new(pin.to_vec()))),
        // A reader with keys of its own asks for the PIN itself.
        None if token.info.protected_authentication_path() => session.login(user, None),
        None => return Err(Pkcs11Error::NoPin { token: label }),
    };
    answer.or_else(|error| match login_failure(&error, label, &token.info) {
        None => Ok(()),
        Some(error) => Err(error),
    })
}

/// What a login that failed says; nothing when the process is logged in all the same.
fn login_failure(error: &CallError, token: String, info: &TokenInfo) -> Option<Pkcs11Error> {
    Some(match code(error) {
        Some(RvError::UserAlreadyLoggedIn) => return None,
        Some(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange) => {
            let warning = if info.user_pin_final_try() {
                "; that was the last try before it locks"
            } else {
                "; it locks after a few wrong ones"
            };
            Pkcs11Error::WrongPin { token, warning }
        }
        Some(RvError::PinLocked) => Pkcs11Error::PinLocked { token },
        Some(RvError::UserPinNotInitialized) => {
            Pkcs11Error::PinUnset { token, reason: "no user PIN has been set" }
        }
        Some(RvError::PinExpired) => {
            Pkcs11Error::PinUnset { token, reason: "it has expired and must be changed" }
        }
        _ => Pkcs11Error::Token { operation: "log in", reason: reason(error) },
    })
}
