//! `SocketOptions`: how the sockets of streams are set up.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpListener;

/// How the TCP sockets of [`serve`](crate::serve) are set up, for streams that are mostly silent:
/// an event is sent at once, a peer that vanished without a word is noticed, and the kernel holds
/// little that was not sent.
///
/// ```
/// # use {sse_tower::SocketOptions, std::time::Duration};
/// let options = SocketOptions::new().user_timeout(Duration::from_secs(20)).unsent_bytes(64 * 1024);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "options count for nothing until they are given to a server"]
pub struct SocketOptions {
    keep_alive: Duration,
    user_timeout: Duration,
    unsent_bytes: u32,
}

impl SocketOptions {
    /// After how long a silent connection is probed (`SO_KEEPALIVE`, `TCP_KEEPIDLE`), unless set.
    /// Three probes that are not answered, a third of this apart, end it.
    pub const DEFAULT_KEEP_ALIVE: Duration = Duration::from_secs(30);
    /// How long sent data may stay unacknowledged (`TCP_USER_TIMEOUT`), unless set.
    pub const DEFAULT_USER_TIMEOUT: Duration = Duration::from_secs(30);
    /// How many bytes the kernel takes that it has not sent yet (`TCP_NOTSENT_LOWAT`), unless set.
    pub const DEFAULT_UNSENT_BYTES: u32 = 32 * 1024;
    /// The most that the kernel takes for [`keep_alive`](Self::keep_alive).
    pub const MAX_KEEP_ALIVE: Duration = Duration::from_secs(32_767);
    /// The most that the kernel takes for [`user_timeout`](Self::user_timeout): 24.8 days.
    pub const MAX_USER_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);
    /// How many probes go unanswered before a connection counts as lost.
    pub const PROBES: u32 = 3;

    /// The defaults.
    pub const fn new() -> Self {
        Self {
            keep_alive: Self::DEFAULT_KEEP_ALIVE,
            user_timeout: Self::DEFAULT_USER_TIMEOUT,
            unsent_bytes: Self::DEFAULT_UNSENT_BYTES,
        }
    }

    /// After how long a silent connection is probed, instead of
    /// [`DEFAULT_KEEP_ALIVE`](Self::DEFAULT_KEEP_ALIVE); whole seconds, at least 1 and at most
    /// [`MAX_KEEP_ALIVE`](Self::MAX_KEEP_ALIVE).
    pub fn keep_alive(mut self, idle: Duration) -> Self {
        self.keep_alive = idle.clamp(Duration::from_secs(1), Self::MAX_KEEP_ALIVE);
        self
    }

    /// How long sent data may stay unacknowledged before the connection counts as lost, instead of
    /// [`DEFAULT_USER_TIMEOUT`](Self::DEFAULT_USER_TIMEOUT); whole
    /// milliseconds, at least 1 and at most [`MAX_USER_TIMEOUT`](Self::MAX_USER_TIMEOUT). Keep-alive comments are such data, so a peer that vanished without
    /// a FIN is noticed this long after the next of them. On Linux a client that lives but takes
    /// nothing for so long is lost as well, as its window stays closed. Linux and Android have it;
    /// elsewhere the probes of [`keep_alive`](Self::keep_alive) are what there is.
    pub fn user_timeout(mut self, timeout: Duration) -> Self {
        self.user_timeout = timeout.clamp(Duration::from_millis(1), Self::MAX_USER_TIMEOUT);
        self
    }

    /// How many bytes the kernel takes that it has not sent yet, instead of
    /// [`DEFAULT_UNSENT_BYTES`](Self::DEFAULT_UNSENT_BYTES): 16 KB to 64 KB suit streams. What
    /// waits beyond that waits in the log, where a lag policy can see it. Linux and Android have it.
    pub const fn unsent_bytes(mut self, bytes: u32) -> Self {
        self.unsent_bytes = bytes;
        self
    }

    /// Sets up a listener for another server, such as `axum::serve`: on Linux and Android every socket
    /// that it accepts from now on has these options. Elsewhere nothing is set. [`serve`](crate::serve)
    /// does this by itself.
    ///
    /// # Errors
    /// If the platform refuses.
    ///
    /// ```
    /// # use sse_tower::SocketOptions;
    /// # async fn run(app: axum::Router) -> std::io::Result<()> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// SocketOptions::new().prepare(&listener)?;
    /// axum::serve(listener, app.into_make_service()).await
    /// # }
    /// ```
    pub fn prepare(&self, listener: &TcpListener) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        self.apply(&SockRef::from(listener))?;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = listener;
        Ok(())
    }

    /// A listener for `axum::serve` whose connections have these options, and on which an event costs less:
    /// see [`StreamListener`](super::StreamListener).
    ///
    /// A handler's `ConnectInfo` is then of a type of the program's own, which implements axum's `Connected` for
    /// `IncomingStream<StreamListener>`.
    ///
    /// # Errors
    /// If the platform refuses, as [`prepare`](Self::prepare).
    ///
    /// ```
    /// # use sse_tower::SocketOptions;
    /// # async fn run(app: axum::Router) -> std::io::Result<()> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// axum::serve(SocketOptions::new().listen(listener)?, app.into_make_service()).await
    /// # }
    /// ```
    #[cfg(feature = "axum")]
    pub fn listen(&self, listener: TcpListener) -> io::Result<super::StreamListener> {
        self.prepare(&listener)?;
        Ok(super::StreamListener::new(listener))
    }

    /// Whether this socket has the options already, from its listener. One of them tells for all: no socket has this
    /// one of itself.
    pub(super) fn is_inherited(&self, socket: &SockRef<'_>) -> bool {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        return socket.tcp_user_timeout().is_ok_and(|set| set == Some(self.user_timeout));
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        {
            let _ = socket;
            false
        }
    }

    /// Sets up one socket; on Linux, if it listens, all that it accepts. What the platform lacks is
    /// left out.
    pub(super) fn apply(&self, socket: &SockRef<'_>) -> io::Result<()> {
        socket.set_tcp_nodelay(true)?;
        let keep_alive = TcpKeepalive::new().with_time(self.keep_alive);
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
        let keep_alive = keep_alive
            .with_interval((self.keep_alive / Self::PROBES).max(Duration::from_secs(1)))
            .with_retries(Self::PROBES);
        socket.set_tcp_keepalive(&keep_alive)?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            socket.set_tcp_user_timeout(Some(self.user_timeout))?;
            socket.set_tcp_notsent_lowat(self.unsent_bytes)?;
        }
        Ok(())
    }
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::SocketListener;

    #[tokio::test]
    async fn an_accepted_socket_has_what_was_set_whenever_the_client_came() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let early = TcpStream::connect(listener.local_addr()?).await?;
        let options = SocketOptions::new()
            .keep_alive(Duration::from_secs(9))
            .user_timeout(Duration::from_millis(4500))
            .unsent_bytes(20_000);
        options.prepare(&listener)?;
        let late = TcpStream::connect(listener.local_addr()?).await?;
        for client in [early, late] {
            let (stream, _) = listener.accept().await?;
            TcpListener::set_up(&stream, &options)?;
            check(&stream)?;
            drop(client);
        }
        Ok(())
    }

    #[tokio::test]
    async fn the_kernel_takes_whatever_is_set() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        for time in [Duration::ZERO, Duration::MAX] {
            let options = SocketOptions::new().keep_alive(time).user_timeout(time);
            options.prepare(&listener)?;
            assert!(options.is_inherited(&SockRef::from(&listener)), "{time:?}");
        }
        Ok(())
    }

    fn check(stream: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        assert!(stream.nodelay()?);
        assert!(socket.keepalive()?);
        assert_eq!(socket.tcp_keepalive_time()?, Duration::from_secs(9));
        assert_eq!(socket.tcp_keepalive_interval()?, Duration::from_secs(3));
        assert_eq!(socket.tcp_keepalive_retries()?, SocketOptions::PROBES);
        assert_eq!(socket.tcp_user_timeout()?, Some(Duration::from_millis(4500)));
        assert_eq!(socket.tcp_notsent_lowat()?, 20_000);
        Ok(())
    }
}
