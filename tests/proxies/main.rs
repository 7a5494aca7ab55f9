//! Reverse proxies of the system, set up as the guide says, word for word: each row of its table.

mod guide;
mod program;
mod proxies {
    mod apache;
    mod caddy;
    mod haproxy;
    mod lighttpd;
    mod nginx;
    mod varnish;
}
mod row;
