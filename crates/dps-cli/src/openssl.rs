//! Private keys of OpenSSL's providers, if this build has them (feature `openssl`).

#[cfg(feature = "openssl")]
pub(crate) use with::x509;
#[cfg(not(feature = "openssl"))]
pub(crate) use without::x509;

#[cfg(feature = "openssl")]
mod with {
    use crate::arguments::OpensslOptions;
    use crate::exit;
    use crate::failure::Failure;
    use dps_hsm_openssl::{OpensslError, Providers};
    use dps_hsm_x509::X509Hsm;

    /// The device with this chain, whose key a provider finds by the URI.
    pub(crate) fn x509(
        options: &OpensslOptions,
        uri: &str,
        chain: &[u8],
    ) -> Result<X509Hsm, Failure> {
        let names: Vec<&str> = options.openssl_provider.iter().map(String::as_str).collect();
        Providers::load(&names).map_err(|error| failure(&error))?;
        // OpenSSL prefers itself, which cannot sign with what a chip holds.
        let first = || names.first().map(|name| format!("?provider={name}"));
        let properties = options.openssl_properties.clone().or_else(first).unwrap_or_default();
        dps_hsm_openssl::x509(chain, uri, &properties).map_err(|error| failure(&error))
    }

    fn failure(error: &OpensslError) -> Failure {
        let (code, remedy) = match error {
            OpensslError::Provider { .. } => (
                exit::CONFIG,
                "openssl list -providers -provider NAME shows whether OpenSSL finds it; it looks \
                 in the folder that openssl version -m tells, or in OPENSSL_MODULES",
            ),
            OpensslError::NoKey { .. } => (
                exit::HSM,
                "check the URI, that --openssl-provider names the provider that knows its scheme, \
                 and that provider's own settings",
            ),
            OpensslError::KeyMismatch { .. } => {
                (exit::CONFIG, "give the URI of the certificate's own key")
            }
            _ => (exit::CONFIG, "check the certificate and the URI"),
        };
        Failure::new(code, "the OpenSSL provider's key cannot be used")
            .why(error)
            .at("hsm")
            .remedy(remedy)
    }
}

#[cfg(not(feature = "openssl"))]
mod without {
    use crate::arguments::OpensslOptions;
    use crate::exit;
    use crate::failure::Failure;
    use dps_hsm_x509::X509Hsm;

    pub(crate) fn x509(_: &OpensslOptions, _: &str, _: &[u8]) -> Result<X509Hsm, Failure> {
        Err(Failure::new(exit::CONFIG, "this dps was built without OpenSSL's providers").remedy(
            "build it with cargo build -p dps-cli --features openssl, which needs libssl-dev",
        ))
    }
}
