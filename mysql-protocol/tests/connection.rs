//! A small server over real streams, clients that are not ours, and bytes that nobody would send.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use mysql_protocol::prepared::Bindings;
use mysql_protocol::{
    Accounts, Clock, Column, Command, Connection, Error, Ok as OkPacket, RowFormat, ServerError,
    ServerOptions, Verifier, accept, command, greeting, packet, tls,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
use tokio::net::TcpListener;

struct OneAccount(&'static str);

impl Accounts for OneAccount {
    fn verifier(&self, user: &str, _: &str) -> Option<Verifier> {
        (user == "u").then(|| Verifier::from_password(self.0))
    }
}

fn options() -> ServerOptions {
    ServerOptions {
        version: "8.0.33-test".into(),
        tls: Some(tls::Certificates::self_signed().unwrap().config()),
        require_tls: false,
        packet_bytes_max: 1 << 20,
        login_timeout: Duration::from_secs(5),
    }
}

fn answer() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(-7), None]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["é", ""]));
    RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("t", texts, true)]).unwrap()
}

/// Answers every query with the same two rows.
async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(mut connection: Connection<S>) {
    let batch = answer();
    let columns: Vec<Column> =
        batch.schema().fields().iter().map(|field| Column::from_field(field)).collect();
    while let Ok(Some(command)) = connection.read_command().await {
        let format = match command {
            Command::Query(sql) if sql == "bad" => {
                let error = ServerError::new(1234, b"HY000", "told");
                connection.error(&error).await.unwrap();
                continue;
            }
            Command::Query(_) => RowFormat::Text,
            Command::Prepare(_) => {
                connection.prepare_ok(1, 0, &columns).await.unwrap();
                continue;
            }
            Command::Execute { .. } => RowFormat::Binary,
            Command::CloseStatement(_) => continue,
            Command::Quit => return,
            Command::Unknown(_) => {
                connection.error(&ServerError::unknown_command()).await.unwrap();
                continue;
            }
            _ => {
                connection.ok(&OkPacket::default()).await.unwrap();
                continue;
            }
        };
        connection.start_result(&columns).await.unwrap();
        connection.write_batch(&batch, format, &Clock::utc()).await.unwrap();
        connection.finish_result(0, 0).await.unwrap();
    }
}

/// A port where one account may log in.
async fn server(password: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let accounts = OneAccount(password);
                let accepted = accept(stream, "h", 1, &options(), &accounts).await;
                if let Ok((mut connection, _)) = accepted {
                    connection.ok(&OkPacket::default()).await.unwrap();
                    serve(connection).await;
                }
            });
        }
    });
    port
}

async fn connect(port: u16, user: &str, password: &str) -> mysql_async::Result<Conn> {
    let options = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some(user))
        .pass(Some(password))
        // what the client would ask for when it connects
        .max_allowed_packet(Some(1 << 20))
        .wait_timeout(Some(60))
        .prefer_socket(false);
    Conn::new(options).await
}

#[tokio::test]
async fn another_client_reads_texts_and_binary_rows() {
    for password in ["", "sécret"] {
        let mut client = connect(server(password).await, "u", password).await.unwrap();
        let expected = vec![(Some(-7i64), "é".to_string()), (None, String::new())];
        let text: Vec<(Option<i64>, String)> = client.query("SELECT").await.unwrap();
        assert_eq!(text, expected);
        let binary: Vec<(Option<i64>, String)> = client.exec("SELECT", ()).await.unwrap();
        assert_eq!(binary, expected);
        let error = client.query_drop("bad").await.unwrap_err();
        assert!(matches!(error, mysql_async::Error::Server(e) if e.code == 1234));
        client.ping().await.unwrap();
    }
}

#[tokio::test]
async fn wrong_logins_are_told() {
    let port = server("secret").await;
    for (user, password) in [("u", "wrong"), ("u", ""), ("nobody", "secret")] {
        let error = connect(port, user, password).await.unwrap_err();
        let mysql_async::Error::Server(error) = error else { panic!("{error}") };
        assert_eq!((error.code, error.state.as_str()), (1045, "28000"));
        let using = if password.is_empty() { "NO" } else { "YES" };
        assert!(error.message.contains(using), "{}", error.message);
    }
}

/// The answer to a greeting, with an empty password.
fn login(capabilities: u32) -> Vec<u8> {
    let mut payload = vec![];
    payload.extend_from_slice(&capabilities.to_le_bytes());
    payload.extend_from_slice(&[0; 4]);
    payload.push(45);
    payload.extend_from_slice(&[0; 23]);
    payload.extend_from_slice(b"u\0\0caching_sha2_password\0");
    payload
}

fn framed(payload: &[u8], mut sequence: u8) -> Vec<u8> {
    let mut out = vec![];
    let start = packet::begin(&mut out);
    out.extend_from_slice(payload);
    packet::finish(&mut out, start, &mut sequence);
    out
}

const CLIENT: u32 = 1 << 9 | 1 << 15 | 1 << 19;

/// A client that logs in by hand: what it sent first, and its stream after the OK.
async fn logged_in(
    pipelined: &[u8],
) -> (Connection<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
    logged_in_with(CLIENT, pipelined).await
}

async fn logged_in_with(
    capabilities: u32,
    pipelined: &[u8],
) -> (Connection<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
    let (mut client, stream) = duplex(1 << 16);
    let accounts = OneAccount("");
    let options = options();
    let (accepted, ()) = tokio::join!(accept(stream, "h", 7, &options, &accounts), async {
        let mut greeting = vec![0; 4];
        client.read_exact(&mut greeting).await.unwrap();
        let mut rest = vec![0; usize::from(greeting[0])];
        client.read_exact(&mut rest).await.unwrap();
        let mut bytes = framed(&login(capabilities), 1);
        bytes.extend_from_slice(pipelined);
        client.write_all(&bytes).await.unwrap();
    });
    (accepted.unwrap().0, client)
}

#[tokio::test]
async fn pipelined_commands_are_kept_while_a_statement_runs() {
    let mut pipelined = framed(b"\x03one", 0);
    pipelined.extend(framed(b"\x03two", 0));
    let (mut connection, mut client) = logged_in(&pipelined).await;
    assert_eq!(connection.read_command().await.unwrap(), Some(Command::Query("one".into())));
    client.write_all(&framed(b"\x0e", 0)).await.unwrap();
    drop(client);
    connection.closed().await;
    assert_eq!(connection.read_command().await.unwrap(), Some(Command::Query("two".into())));
    assert_eq!(connection.read_command().await.unwrap(), Some(Command::Ping));
    assert_eq!(connection.read_command().await.unwrap(), None);
}

/// The packets that a client finds, as they lie in its stream.
async fn packets(client: &mut tokio::io::DuplexStream) -> Vec<bytes::Bytes> {
    let mut arrived = vec![];
    client.read_to_end(&mut arrived).await.unwrap();
    let mut decoder = packet::Decoder::new(1 << 20);
    decoder.buffer().extend_from_slice(&arrived);
    let mut all = vec![];
    // the numbers are those of one answer
    decoder.set_sequence(arrived[3]);
    while let Some(packet) = decoder.next_packet().unwrap() {
        all.push(packet);
    }
    all
}

/// Clients that know no OK in place of EOF find one packet behind the columns of a cursor, as the others do.
#[tokio::test]
async fn an_open_cursor_ends_in_one_packet_that_says_so() {
    const DEPRECATE_EOF: u32 = 1 << 24;
    for (capabilities, last) in [
        (CLIENT, &[0xfe, 3, 0, 0x42, 0][..]),
        (CLIENT | DEPRECATE_EOF, &[0xfe, 0, 0, 0x42, 0, 3, 0]),
    ] {
        let (mut connection, mut client) = logged_in_with(capabilities, &[]).await;
        let columns: Vec<Column> =
            answer().schema().fields().iter().map(|field| Column::from_field(field)).collect();
        connection.open_cursor(&columns, 3).await.unwrap();
        drop(connection);
        let packets = packets(&mut client).await;
        assert_eq!(packets.len(), 4);
        assert_eq!((&packets[0][..], &packets[3][..]), (&[2][..], last));
    }
}

/// What was sent before the client had read the OK is compressed too.
#[tokio::test]
async fn compression_begins_behind_the_login() {
    use mysql_protocol::compress::{Algorithm, Compressed};
    const COMPRESS: u32 = 1 << 5;
    let command = framed(format!("\x03{}", "x".repeat(1000)).as_bytes(), 0);
    let frames = Compressed::new(Algorithm::Zlib).frames(&command).unwrap();
    let (mut connection, mut client) = logged_in_with(CLIENT | COMPRESS, &frames[..20]).await;
    connection.start_compression();
    client.write_all(&frames[20..]).await.unwrap();
    assert_eq!(connection.read_command().await.unwrap(), Some(Command::Query("x".repeat(1000))));
    connection.text(&"y".repeat(1000)).await.unwrap();
    // a frame out of sequence ends the connection
    let mut wrong = frames.clone();
    wrong[3] = 9;
    client.write_all(&wrong).await.unwrap();
    assert!(matches!(connection.read_command().await, Err(Error::Protocol(_))));
    drop(connection);
    let mut arrived = vec![];
    client.read_to_end(&mut arrived).await.unwrap();
    assert!(arrived.len() < 200, "{}", arrived.len());
    // its number follows that of the command
    assert_eq!(arrived[3], 1);
}

#[tokio::test]
async fn a_header_before_login_is_enough_to_refuse() {
    let (mut client, stream) = duplex(1 << 10);
    client.write_all(&[0xff, 0xff, 0xff, 1]).await.unwrap();
    let accounts = OneAccount("");
    let refused = accept(stream, "h", 1, &options(), &accounts).await.unwrap_err();
    assert!(matches!(refused, mysql_protocol::Error::TooLarge { .. }), "{refused}");
}

/// Clients may send their first bytes of TLS together with the request for it.
#[tokio::test]
async fn tls_may_begin_in_the_packet_of_its_request() {
    let (client, stream) = duplex(1 << 16);
    let accounts = OneAccount("");
    let options = options();
    let server = accept(stream, "h", 1, &options, &accounts);
    let encrypted = async {
        let mut request = vec![];
        request.extend_from_slice(&(CLIENT | 1 << 11).to_le_bytes());
        request.extend_from_slice(&[0; 28]);
        let mut client = client;
        let mut greeting = vec![0; 4];
        client.read_exact(&mut greeting).await.unwrap();
        let mut rest = vec![0; usize::from(greeting[0])];
        client.read_exact(&mut rest).await.unwrap();
        // both are in the stream before the server reads again
        client.write_all(&framed(&request, 1)).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(trusting()));
        let mut client = connector.connect("localhost".try_into().unwrap(), client).await.unwrap();
        client.write_all(&framed(&login(CLIENT | 1 << 11), 2)).await.unwrap();
        client.flush().await.unwrap();
        client
    };
    let (accepted, _client) = tokio::join!(server, encrypted);
    assert_eq!(accepted.unwrap().1.user, "u");
}

/// A client that takes any certificate.
fn trusting() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
        .with_no_client_auth()
}

#[derive(Debug)]
struct Trusting(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Nothing that a client sends may panic, whatever it is.
#[test]
fn any_bytes_are_read_or_refused() {
    let mut random = StdRng::seed_from_u64(1);
    let good = login(CLIENT | 1 << 3 | 1 << 20 | 1 << 21);
    for _ in 0..200_000 {
        let mut bytes: Vec<u8> = if random.random() {
            (0..random.random_range(0..60)).map(|_| random.random()).collect()
        } else {
            good.clone()
        };
        for _ in 0..random.random_range(0..4) {
            if !bytes.is_empty() {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
        }
        let _ = greeting::response(&bytes);
        let _ = greeting::change_user(&bytes, random.random());
        let _ = greeting::is_ssl_request(&bytes);
        let _ = command::parse(Bytes::from(bytes.clone()));
        let payload = Bytes::from(bytes.clone());
        let _ = Bindings::default().bind(&payload, random.random_range(0..20));
        let mut decoder = packet::Decoder::new(1 << 16);
        decoder.buffer().extend_from_slice(&bytes);
        while let Ok(Some(_)) = decoder.next_packet() {}
        let _ = decoder.missing();
    }
}
