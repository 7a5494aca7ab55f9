//! `tls`: finds what TLS has said among the causes of an error.

use std::{error::Error, io, sync::Arc};

use tokio_rustls::rustls;

/// The error of TLS among the causes of an error, mostly about a certificate.
pub(crate) fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(one) = cause {
        if let Some(tls) = one.downcast_ref() {
            return Some(tls);
        }
        // Some share their causes; and an I/O error shows what it holds, not what that says it was caused by.
        let shared = one.downcast_ref::<Arc<dyn Error + Send + Sync>>().map(Arc::as_ref);
        let held = || one.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match shared.or_else(held) {
            Some(held) => Some(held),
            None => one.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_within_an_io_error_and_what_is_shared() {
        let tls_error = || rustls::Error::HandshakeNotComplete;
        let held = io::Error::new(io::ErrorKind::InvalidData, tls_error());
        let shared: Arc<dyn Error + Send + Sync> = Arc::new(io::Error::other(tls_error()));
        assert_eq!(tls(&held), Some(&tls_error()));
        assert_eq!(tls(&shared), Some(&tls_error()));
        assert_eq!(tls(&io::Error::other("full")), None);
    }
}
