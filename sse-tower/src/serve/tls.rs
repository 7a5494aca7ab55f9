//! `acceptor`: TLS by rustls, behind the feature `tls`.

use std::sync::Arc;

use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

pub(super) fn acceptor(mut config: ServerConfig) -> TlsAcceptor {
    if config.alpn_protocols.is_empty() {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    TlsAcceptor::from(Arc::new(config))
}

/// What the client and the server agreed on.
pub(super) fn chose_http2<I>(stream: &TlsStream<I>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}
