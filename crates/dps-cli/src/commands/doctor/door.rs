//! One port of the service, from TCP to the certificates.

use super::chain::{self, Certificate};
use super::wire::Wire;
use super::{Examination, wire};
use dps_client::dps_transport::{ServedChain, TlsVersion};
use dps_client::{CertificateProblem, Error, ErrorKind};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What was found at a port.
pub(super) struct Door {
    pub(super) port: u16,
    /// The proxy on the way there.
    pub(super) proxy: Option<String>,
    /// How long TCP and TLS took, or what failed.
    pub(super) result: Result<Duration, Error>,
    pub(super) version: Option<&'static str>,
    pub(super) chain: Vec<Certificate>,
    /// The trust anchor that vouches for the chain.
    pub(super) anchor: Option<String>,
    /// More than the error's hint can know.
    pub(super) advice: Option<String>,
}

/// The addresses of the first hop on the way to `port`.
pub(super) fn resolve(examination: &Examination, port: u16) -> Result<Vec<IpAddr>, Error> {
    let addresses = wire::resolve(examination, port)?;
    Ok(addresses.into_iter().map(|address| address.ip()).collect())
}

pub(super) fn look(examination: &Examination, port: u16) -> Door {
    let started = Instant::now();
    let served = ServedChain::default();
    let result = Wire::connect(examination, port, &served).and_then(|mut wire| {
        wire.shake_hands()?;
        let took = started.elapsed();
        wire.close();
        Ok(took)
    });
    let certificates = served.certificates();
    let version = served.version().map(|version| match version {
        TlsVersion::V1_2 => "TLS 1.2",
        TlsVersion::V1_3 => "TLS 1.3",
        _ => "TLS",
    });
    let anchor = chain::anchor(&certificates, &examination.trusted);
    let chain = chain::describe(&certificates);
    let advice =
        result.as_ref().err().and_then(|error| advice(examination, error, &chain, &certificates));
    let proxy = examination.proxy(port).map(ToString::to_string);
    Door { port, proxy, result, version, chain, anchor, advice }
}

fn advice(
    examination: &Examination,
    error: &Error,
    chain: &[Certificate],
    certificates: &[Vec<u8>],
) -> Option<String> {
    let ErrorKind::ServerCertificate(problem) = error.kind() else { return None };
    let leaf = chain.first()?;
    match problem {
        CertificateProblem::WrongName => Some(format!(
            "the certificate is for {}: use one of these as the endpoint",
            leaf.names.join(", ")
        )),
        CertificateProblem::UnknownIssuer | CertificateProblem::SelfSigned => {
            let top = chain.last()?;
            match chain::anchor(certificates, &examination.system_der) {
                Some(anchor) => Some(format!(
                    "this system trusts {anchor}, which vouches for the server: leave --trusted-cert away"
                )),
                None => Some(format!(
                    "if this is a local or private service, give the certificate of {} with --trusted-cert; otherwise something on the way intercepts TLS",
                    top.issuer
                )),
            }
        }
        CertificateProblem::Expired => Some(format!(
            "the certificate was valid until {}: check this machine's clock; if it is right, the server needs a new certificate",
            leaf.not_after
        )),
        _ => None,
    }
}
