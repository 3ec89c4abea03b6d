//! Who may use the service API: shared access policies, and the tokens that their keys sign
//! (`wire-protocol.md` section 7.1).

use crate::config::{
    ConfigError, EmulatorConfig, Permission, SharedAccessPolicyConfig, some_parsed,
};
use crate::model::SymmetricKeys;
use crate::random::Random;
use crate::sas::{SasError, SasToken};
use crate::store::{Change, Table};
use crate::summary::shown;
use core::time::Duration;
use dps_core::SymmetricKey;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use zeroize::Zeroizing;

/// The policy when none is configured: what the real service has from the start.
const DEFAULT_POLICY: &str = "provisioningserviceowner";

#[derive(Debug)]
struct Policy {
    name: String,
    keys: SymmetricKeys,
    rights: Vec<Permission>,
}

impl Policy {
    fn connection_string(&self, host: &str) -> Zeroizing<String> {
        let (name, key) = (&self.name, self.keys.primary.to_base64());
        let key = key.as_str();
        Zeroizing::new(format!("HostName={host};SharedAccessKeyName={name};SharedAccessKey={key}"))
    }
}

/// All policies; one at least.
#[derive(Debug)]
pub(super) struct Policies(Vec<Policy>);

/// A policy's keys in a state file.
#[derive(Default, Deserialize, Serialize)]
struct Kept {
    #[serde(deserialize_with = "some_parsed", serialize_with = "shown")]
    primary: Option<SymmetricKey>,
    #[serde(deserialize_with = "some_parsed", serialize_with = "shown")]
    secondary: Option<SymmetricKey>,
}

/// Why a request is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forbidden {
    #[error("the request has no SAS token in Authorization")]
    NoToken,
    #[error("the token after Bearer is not the page token of this start of the service")]
    OtherPageToken,
    #[error("{0}")]
    Sas(#[from] SasError),
    #[error("no shared access policy has the name that the SAS token states (skn)")]
    UnknownPolicy,
    #[error("the shared access policy {policy:?} lacks the right {needed:?}")]
    LacksRight { policy: String, needed: Permission },
}

impl Policies {
    /// The key of the policies' row among a state file's settings.
    pub(super) const KEY: &'static str = "sharedAccessPolicies";

    /// The policies of a configuration. Keys that it leaves out are those of an earlier run, if
    /// they were kept, or new.
    pub(super) fn new(
        config: &EmulatorConfig,
        kept: Option<&str>,
        random: &mut Random,
    ) -> Result<Self, ConfigError> {
        let mut kept: BTreeMap<String, Kept> =
            kept.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let default = [SharedAccessPolicyConfig::new(DEFAULT_POLICY)];
        let configured = match config.shared_access_policies.as_slice() {
            [] => &default,
            given => given,
        };
        let mut seen = HashSet::new();
        let policies = configured.iter().map(|item| {
            let name = item.key_name.clone();
            let refuse =
                |problem| Err(ConfigError::BadPolicy { key_name: item.key_name.clone(), problem });
            if !is_policy_name(&name) {
                return refuse("a name has 1 to 64 ASCII letters, digits and - . _");
            }
            if !seen.insert(name.clone()) {
                return refuse("it is listed twice");
            }
            let earlier = kept.remove(&name).unwrap_or_default();
            let mut key = |given: &Option<SymmetricKey>, earlier: Option<SymmetricKey>| {
                given.clone().or(earlier).unwrap_or_else(|| random.symmetric_key())
            };
            let keys = SymmetricKeys {
                primary: key(&item.primary_key, earlier.primary),
                secondary: key(&item.secondary_key, earlier.secondary),
            };
            Ok(Policy { name, keys, rights: item.rights.clone() })
        });
        Ok(Self(policies.collect::<Result<_, _>>()?))
    }

    /// What a state file is to keep.
    pub(super) fn change(&self) -> Change {
        let keys = |policy: &Policy| Kept {
            primary: Some(policy.keys.primary.clone()),
            secondary: Some(policy.keys.secondary.clone()),
        };
        let kept: BTreeMap<&str, Kept> =
            self.0.iter().map(|policy| (policy.name.as_str(), keys(policy))).collect();
        Change::put(Table::Settings, Self::KEY.to_owned(), &kept)
    }

    /// How to use the service API at a host, with everything that the first policy allows.
    pub(super) fn connection_string(&self, host: &str) -> Zeroizing<String> {
        self.0.first().map_or_else(Zeroizing::default, |policy| policy.connection_string(host))
    }

    /// Of each policy that allows nothing but `rights`: its name, what it allows, and its
    /// connection string.
    pub(super) fn connection_strings(
        &self,
        host: &str,
        rights: &[Permission],
    ) -> Vec<(&str, &[Permission], Zeroizing<String>)> {
        let is_within = |policy: &&Policy| {
            policy.rights.iter().all(|right| rights.iter().any(|own| own.covers(*right)))
        };
        let shown = |policy: &'_ Policy| policy.connection_string(host);
        let within = self.0.iter().filter(is_within);
        within.map(|one| (one.name.as_str(), one.rights.as_slice(), shown(one))).collect()
    }

    /// Whether the bearer of a token may do at `host` what `needed` is for. Gives all that the
    /// policy allows.
    pub(super) fn allow(
        &self,
        token: Option<&str>,
        host: &str,
        needed: Permission,
        now: Duration,
        skew: Duration,
    ) -> Result<&[Permission], Forbidden> {
        let token = SasToken::parse(token.ok_or(Forbidden::NoToken)?)?;
        let policy = self.0.iter().find(|policy| token.key_name() == Some(policy.name.as_str()));
        let Policy { name, keys, rights } = policy.ok_or(Forbidden::UnknownPolicy)?;
        if !keys.both().iter().any(|key| token.verify_signature(key).is_ok()) {
            return Err(SasError::Signature.into());
        }
        token.verify_host(host)?;
        token.verify_expiry(now, skew)?;
        match rights.iter().any(|right| right.covers(needed)) {
            true => Ok(rights),
            false => Err(Forbidden::LacksRight { policy: name.clone(), needed }),
        }
    }
}

fn is_policy_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}
