//! Two nginx with nchan on one Redis: events are published at the first, the second has the streams.

use std::{
    fs,
    io::{self, Error},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use engine_servers::{find, free_port};
use tempfile::TempDir;

use crate::{process::Server, servers::Kind};

/// Where distributions put the module.
const MODULES: &[&str] =
    &["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"];
const MODULE: &str = "ngx_nchan_module.so";

pub(super) struct Nchan {
    /// The one with the streams.
    pub(super) server: Server,
    pub(super) beside: Beside,
}

/// What has to last as long as that one runs.
pub(super) struct Beside {
    publisher: Server,
    /// The files of both.
    _folders: [TempDir; 2],
}

impl Beside {
    /// Where events are published.
    pub(super) fn address(&self) -> SocketAddr {
        self.publisher.address
    }
}

impl Nchan {
    pub(super) fn start(redis: SocketAddr) -> io::Result<Self> {
        let error = |error: engine_servers::Error| Error::other(error.to_string());
        let nginx =
            find("nginx", "SSE_TEST_NGINX", "nginx-light", &["/usr/sbin"]).map_err(error)?;
        let module = MODULES.iter().map(|folder| Path::new(folder).join(MODULE));
        let module = module.into_iter().find(|file| file.is_file()).ok_or_else(|| {
            Error::other(format!("{MODULE} is missing: `apt-get install libnginx-mod-nchan`"))
        })?;
        let folders = [TempDir::with_prefix("nchan-")?, TempDir::with_prefix("nchan-")?];
        let one = |folder: &TempDir, measured| {
            let port = free_port().map_err(error)?;
            start(&nginx, &module, folder.path(), port, redis, measured)
        };
        let (server, publisher) = (one(&folders[0], true)?, one(&folders[1], false)?);
        Ok(Self { server, beside: Beside { publisher, _folders: folders } })
    }
}

fn start(
    nginx: &PathBuf,
    module: &Path,
    folder: &Path,
    port: u16,
    redis: SocketAddr,
    measured: bool,
) -> io::Result<Server> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {}/{what};", folder.display()))
        .concat();
    let text = format!(
        "load_module {}; daemon off; master_process off; worker_rlimit_nofile 8192; pid {}/pid;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; {paths}
            upstream store {{ nchan_redis_server redis://{redis}; }}
            server {{
                listen {address} backlog=4096;
                keepalive_requests 1000000; keepalive_timeout 1h;
                location = /events {{
                    nchan_subscriber eventsource; nchan_subscriber_first_message newest;
                    nchan_channel_id bench; nchan_redis_pass store;
                }}
                location = /publish {{
                    nchan_publisher; nchan_channel_id bench; nchan_redis_pass store;
                    nchan_message_buffer_length 100;
                }}
            }}
        }}",
        module.display(),
        folder.display(),
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text)?;
    let mut command = Command::new(nginx);
    command.arg("-p").arg(folder).arg("-e").arg(folder.join("log")).arg("-c").arg(file);
    Server::foreign(Kind::Nchan, &mut command, address, measured)
}
