//! A certificate for the servers with TLS, which they are given by their environment.

use std::{fmt::Write as _, io, io::Error};

use tokio_rustls::rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// The variable in which a server finds it.
pub(crate) const VARIABLE: &str = "SSE_BENCH_CERTIFICATE";

/// Of `localhost`, with its key.
#[derive(Clone)]
pub(crate) struct Certificate {
    public: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    pub(crate) fn new() -> io::Result<Self> {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let own = own.map_err(Error::other)?;
        Ok(Self { public: own.cert.der().to_vec(), key: own.signing_key.serialize_der() })
    }

    pub(crate) fn from_environment() -> io::Result<Self> {
        let text = std::env::var(VARIABLE).map_err(Error::other)?;
        let (public, key) = text.split_once(':').unwrap_or_default();
        Ok(Self { public: bytes(public)?, key: bytes(key)? })
    }

    /// What a server is given.
    pub(crate) fn text(&self) -> String {
        let hexadecimal = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        format!("{}:{}", hexadecimal(&self.public), hexadecimal(&self.key))
    }

    pub(crate) fn public(&self) -> CertificateDer<'static> {
        self.public.clone().into()
    }

    pub(crate) fn server(&self) -> io::Result<ServerConfig> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![self.public()], key)
            .map_err(Error::other)
    }
}

fn bytes(text: &str) -> io::Result<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| {
        let pair = std::str::from_utf8(pair).map_err(Error::other)?;
        u8::from_str_radix(pair, 16).map_err(Error::other)
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_is_given_reads_back() {
        assert_eq!(bytes("00ff7a").unwrap(), [0, 0xff, 0x7a]);
        let own = Certificate::new().unwrap();
        assert!(own.text().contains(':') && own.server().is_ok());
    }
}
