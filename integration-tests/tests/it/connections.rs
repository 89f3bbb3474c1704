//! Connections of the MySQL port as clients make them by hand: many that wait, and some that send what nobody means.

use std::process::Command;

use integration_tests::Deployment;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client that frames packets itself.
struct Client(TcpStream);

impl Client {
    /// Logs in as `root`, without a password.
    async fn log_in(port: u16) -> Self {
        // PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, MULTI_STATEMENTS
        const CAPABILITIES: u32 = 1 << 9 | 1 << 15 | 1 << 19 | 1 << 16;
        let mut this = Self(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        this.packet().await.unwrap();
        let mut login = CAPABILITIES.to_le_bytes().to_vec();
        login.resize(32, 0);
        login.extend_from_slice(b"root\0\0caching_sha2_password\0");
        this.send(1, &login).await.unwrap();
        assert_eq!(this.packet().await.unwrap()[0], 0, "a login without a password");
        this
    }

    async fn send(&mut self, number: u8, payload: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        let frame = [&[length[0], length[1], length[2], number], payload].concat();
        self.0.write_all(&frame).await
    }

    async fn packet(&mut self) -> std::io::Result<Vec<u8>> {
        let mut header = [0; 4];
        self.0.read_exact(&mut header).await?;
        let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await?;
        Ok(payload)
    }
}

/// Resident memory of a process.
fn resident_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

/// Pools keep connections that mostly wait: each has set its session, asked, and been answered.
#[tokio::test]
async fn an_idle_connection_takes_at_most_64_kib() {
    const CONNECTIONS: u64 = 2000;
    const BYTES_MAX: u64 = 64 << 10;
    // this process and those that it starts
    let itself = format!("--pid={}", std::process::id());
    assert!(Command::new("prlimit").args([&itself, "--nofile=16384:"]).status().unwrap().success());
    let millrace =
        Deployment::start_with(0, &["mysql.connections_max=2100", "auth.root_password="]).await;
    let millrace = millrace.unwrap();
    let port = millrace.mysql_port();
    // what the first statements leave behind is no connection's
    ask(&mut Client::log_in(port).await).await;
    let before = resident_bytes(millrace.frontend_id());
    let mut clients = vec![];
    for _ in 0..CONNECTIONS {
        let mut client = Client::log_in(port).await;
        ask(&mut client).await;
        clients.push(client);
    }
    let each = (resident_bytes(millrace.frontend_id()) - before) / CONNECTIONS;
    let threads = millrace.sql("SHOW STATUS LIKE 'Threads_connected'").await.unwrap();
    assert_eq!(threads[0][1], (CONNECTIONS + 1).to_string());
    assert!(each <= BYTES_MAX, "an idle connection takes {each} bytes");
    println!("an idle connection takes {each} bytes");
}

/// What a pool sends first, here in a text of some length.
async fn ask(client: &mut Client) {
    let long = format!("\x03SET NAMES utf8mb4 /* {} */", "x".repeat(20_000));
    for text in [&long, "\x0e"] {
        client.send(0, text.as_bytes()).await.unwrap();
        assert_eq!(client.packet().await.unwrap()[0], 0, "{}", &text[1..]);
    }
}

/// Commands, right ones and ones that were spoilt, in any order: the frontend goes on, and every connection that was not cut off is
/// answered.
#[tokio::test]
async fn packets_that_nobody_means_end_at_most_their_connection() {
    const CONNECTIONS: u64 = 60;
    const COMMANDS: usize = 40;
    let millrace = Deployment::start(0).await.unwrap();
    let mut answered = 0;
    for seed in 0..CONNECTIONS {
        let mut random = StdRng::seed_from_u64(seed);
        let mut client = Client::log_in(millrace.mysql_port()).await;
        for _ in 0..COMMANDS {
            let payload = spoilt(&mut random);
            // it may have been cut off by the one before
            if client.send(0, &payload).await.is_err() {
                break;
            }
        }
        // a server that has enough of a client may take back what it answered before
        client.0.shutdown().await.ok();
        let mut answers = vec![];
        client.0.read_to_end(&mut answers).await.ok();
        answered += u64::from(!answers.is_empty());
    }
    assert!(answered > CONNECTIONS / 4, "{answered} of {CONNECTIONS} were answered");
    assert_eq!(millrace.sql("SELECT 1").await.unwrap(), [["1"]]);
    let log = millrace.log("frontend").unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

/// A command of which some bytes may be others.
fn spoilt(random: &mut StdRng) -> Vec<u8> {
    const COMMANDS: [&[u8]; 22] = [
        b"\x03SELECT 1, 'two', NULL",
        b"\x03SET @a = 1; SELECT @a",
        b"\x03SHOW WARNINGS",
        b"\x03SELECT",
        b"\x02information_schema",
        b"\x04schemata\0%",
        b"\x09",
        b"\x0c\xff\xff\xff\xff",
        b"\x0e",
        b"\x11root\0\0\0\x2d\0caching_sha2_password\0",
        b"\x16SELECT ?, ?",
        b"\x16SELECT ? LIMIT ?",
        b"\x16SHOW STATUS LIKE ?",
        b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\x08\0\xfd\0\x07\0\0\0\0\0\0\0\x02hi",
        b"\x17\x01\0\0\0\x01\x01\0\0\0\0\x01\x0b\0\x0c\0\x00\x04\xea\x07\x0b\x18",
        b"\x18\x01\0\0\0\x01\0long",
        b"\x19\x01\0\0\0",
        b"\x1a\x01\0\0\0",
        b"\x1b\0\0",
        b"\x1c\x01\0\0\0\x01\0\0\0",
        b"\x1f",
        b"\x55what",
    ];
    let mut payload = COMMANDS[random.random_range(0..COMMANDS.len())].to_vec();
    if random.random_range(0..3) == 0 {
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..payload.len());
            payload[at] = random.random();
        }
        payload.truncate(random.random_range(0..=payload.len()));
    }
    payload
}
