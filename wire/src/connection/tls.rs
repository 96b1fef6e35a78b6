//! What TLS rests on: whom we believe, and who we are.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::error::WireError;

/// A client's own certificate chain and key, PEM.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// Its certificate, then those that lead to the authority.
    pub certificates: &'a [u8],
    /// Its key, not encrypted.
    pub key: &'a [u8],
}

/// TLS that believes the authorities of `ca` (PEM, any number), or with `verify` off anybody.
///
/// # Errors
/// No certificate is in `ca`, or the identity cannot be used.
pub fn tls_config(
    ca: &[u8],
    identity: Option<Identity<'_>>,
    verify: bool,
) -> Result<Arc<ClientConfig>, WireError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse("TLS", &error))?;
    let builder = if verify {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            let certificate = certificate.map_err(|error| refuse("the authorities' certificates", &error))?;
            // A system's list may have some that rustls does not take.
            drop(roots.add(certificate));
        }
        if roots.is_empty() {
            return Err(refuse("the authorities' certificates", &"none that can be used"));
        }
        builder.with_root_certificates(roots)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    };
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(identity.certificates)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| refuse("the client's certificate", &error))?;
            let key = PrivateKeyDer::from_pem_slice(identity.key)
                .map_err(|error| refuse("the client's key", &error))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| refuse("the client's certificate", &error))?
        }
    };
    Ok(Arc::new(config))
}

fn refuse(what: &'static str, reason: &dyn ToString) -> WireError {
    WireError::Certificate { what, reason: reason.to_string() }
}

/// Believes everybody, as `enable.ssl.certificate.verification=false` asks for; signatures are checked still.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
