//! The servers that some checks want beside the one that all ask.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::PASSWORD;

/// A way to a server on which its greeting loses CLIENT_DEPRECATE_EOF.
pub struct OldServer {
    pub port: String,
    /// Clients that have logged in without it.
    pub logins: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Drop for OldServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl OldServer {
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let logins = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&logins);
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                // ends with either side
                tokio::spawn(without_deprecate_eof(client, server, Arc::clone(&counted)));
            }
        });
        Self { port, logins, accepting }
    }
}

async fn without_deprecate_eof(
    mut client: TcpStream,
    mut server: TcpStream,
    logins: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    // bits 24 to 31 of the capabilities
    const OFFERED: u8 = 1;
    let mut greeting = packet(&mut server).await?;
    let version = greeting[5..].iter().position(|byte| *byte == 0).unwrap();
    // its end, id, salt, filler; low capabilities, collation, status; and the lower byte of the high ones
    let at = 5 + version + 1 + 4 + 8 + 1 + 2 + 1 + 2 + 1;
    assert_eq!(greeting[at] & OFFERED, OFFERED, "the server does not offer it anyway");
    greeting[at] &= !OFFERED;
    client.write_all(&greeting).await?;
    let login = packet(&mut client).await?;
    assert_eq!(login[4 + 3] & OFFERED, 0, "the client takes what was not offered");
    server.write_all(&login).await?;
    logins.fetch_add(1, Ordering::Relaxed);
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

/// A packet of one frame, with its header.
async fn packet(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    stream.read_exact(&mut packet).await?;
    let length = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]) as usize;
    packet.resize(4 + length, 0);
    stream.read_exact(&mut packet[4..]).await?;
    Ok(packet)
}

/// A standalone server whose `root` has a password, for logins.
pub struct Locked {
    pub port: String,
    _process: Child,
    _data: TempDir,
}

impl Locked {
    pub async fn start() -> Self {
        let here = std::env::current_exe().unwrap();
        let mut places = here.ancestors().skip(1).take(2).map(|place| place.join("millrace"));
        let binary = places.find(|path| path.is_file()).expect("cargo build --workspace");
        let data = TempDir::new().unwrap();
        let mut command = Command::new(binary);
        // it places the clients, and is no key of a configuration
        command.env_remove("MILLRACE_CLIENTS_HOME");
        command.arg("standalone").stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        for set in [
            format!("data_dir={}", data.path().display()),
            format!("auth.root_password={PASSWORD}"),
            "mysql.listen=127.0.0.1:0".into(),
            "rpc.listen=127.0.0.1:0".into(),
            "admin.listen=127.0.0.1:0".into(),
        ] {
            command.args(["--set", &set]);
        }
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let banner = lines.next_line().await.unwrap().unwrap();
        let (_, rest) = banner.split_once("127.0.0.1:").unwrap_or_else(|| panic!("{banner}"));
        let port = rest.chars().take_while(char::is_ascii_digit).collect();
        Self { port, _process: process, _data: data }
    }
}
