//! What tests of refused connections share: a secret that nothing may show, and certificates.

#![allow(clippy::unwrap_used, reason = "it is how a test fails")]

use std::error::Error;

use tempfile::TempDir;

/// The password of every URL.
pub(crate) const SECRET: &str = "s3cr3t-pass";

/// No text of this error and of its causes has the secret in it.
pub(crate) fn tells_no_secret(error: &(dyn Error + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(SECRET), "{shown}");
        next = error.source();
    }
}

/// PEM files: a certificate for `localhost` with its key, and another certificate.
pub(crate) struct Certificates {
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) other: String,
    _folder: TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, pem: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, pem).unwrap();
            path.display().to_string()
        };
        let own = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        Self {
            cert: file("own.pem", own.cert.pem()),
            key: file("own.key", own.signing_key.serialize_pem()),
            other: file("other.pem", other.cert.pem()),
            _folder: folder,
        }
    }
}
