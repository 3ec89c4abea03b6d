//! The simulated device of libraries with RIoT (`c-abi.md` section 1.8), by dps-hsm-dice: for trying
//! things out, since who knows the seed has every key.

use crate::pointers;
use crate::registry::Registry;
use crate::secret::SecretText;
use crate::x509::Material;
use core::fmt;
use dps_client::RegistrationId;
use dps_hsm_dice::{Device, Factory};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// Public, and so no secret: every library has it.
const DEFAULT_SEED: &[u8] = b"libdps development seed";
/// `c-abi.md` section 1.8.
const DEFAULT_NAME: &str = "riot-device-cert";
const NAME_VARIABLE: &str = "DPS_RIOT_COMMON_NAME";

/// What the program has said, for the whole process.
struct Told {
    seed: Option<Zeroizing<Vec<u8>>>,
    name: Option<String>,
}

static TOLD: Mutex<Told> = Mutex::new(Told { seed: None, name: None });

fn told() -> MutexGuard<'static, Told> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A device and its factory, as they are when it is made.
pub(crate) struct Riot {
    pub(crate) factory: Factory,
    pub(crate) device: Device,
    pub(crate) name: String,
}

impl fmt::Debug for Riot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Riot").field("name", &self.name).finish_non_exhaustive()
    }
}

pub(crate) static RIOTS: Registry<Riot> = Registry::new();

fn make(seed: &[u8], name: String) -> Result<Riot, String> {
    let id = RegistrationId::new(name.as_str()).map_err(|error| error.to_string())?;
    let factory = Factory::new(seed).map_err(|error| error.to_string())?;
    let device = factory.device(&id).map_err(|error| error.to_string())?;
    Ok(Riot { factory, device, name })
}

/// The device that the program or the environment has chosen, else the usual one.
pub(crate) fn current() -> Result<Riot, String> {
    let (seed, name) = {
        let told = told();
        (told.seed.clone(), told.name.clone())
    };
    let name = name
        .or_else(|| std::env::var(NAME_VARIABLE).ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| DEFAULT_NAME.to_owned());
    make(seed.as_ref().map_or(DEFAULT_SEED, |seed| seed.as_slice()), name)
}

/// Chooses another seed and another name; `None` is the usual one.
pub(crate) fn choose(seed: Option<Zeroizing<Vec<u8>>>, name: Option<String>) -> Result<(), String> {
    let tried = name.clone().unwrap_or_else(|| DEFAULT_NAME.to_owned());
    make(seed.as_ref().map_or(DEFAULT_SEED, |seed| seed.as_slice()), tried)?;
    *told() = Told { seed, name };
    Ok(())
}

/// What clients present that are given no certificate. Without a device there is none.
pub(crate) fn material() -> Material {
    current().map_or_else(
        |_| Material::none(),
        |riot| Material {
            certificate: Some(riot.device.chain().into_bytes()),
            key: Some(SecretText::new(&riot.device.alias_key())),
        },
    )
}

pub(crate) fn open() -> Result<usize, String> {
    current().map(|riot| RIOTS.add(Arc::new(riot)))
}

pub(crate) fn find(handle: *mut core::ffi::c_void) -> Option<Arc<Riot>> {
    RIOTS.get(pointers::handle_number(handle))
}
