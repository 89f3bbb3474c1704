//! TLS of the MySQL port as a server's owner meets it: asked for, and with certificates that are replaced while it runs.

use std::path::Path;
use std::process::Stdio;

use integration_tests::Deployment;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::clients::python;

/// One session of `clients/tls_session.py`.
struct Session {
    statements: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Session {
    /// A session that trusts the certificates of a file, or without TLS; and what it told of its login.
    async fn begin(port: u16, trusted: Option<&Path>) -> (Self, Json) {
        let trusted = trusted.map_or("none".into(), |file| file.as_os_str().to_owned());
        let mut command = python("tls_session.py");
        command.arg(port.to_string()).arg(trusted);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let statements = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut this = Self { statements, answers, _process: process };
        let login = this.answer().await;
        (this, login)
    }

    async fn answer(&mut self) -> Json {
        serde_json::from_str(&self.answers.next_line().await.unwrap().unwrap()).unwrap()
    }

    async fn ask(&mut self, sql: &str) -> Json {
        self.statements.write_all(format!("{sql}\n").as_bytes()).await.unwrap();
        self.answer().await
    }
}

/// Files of a certificate that is signed by itself.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn certificates(&self) -> std::path::PathBuf {
        self.0.path().join("certificates.pem")
    }

    fn key(&self) -> std::path::PathBuf {
        self.0.path().join("key.pem")
    }

    /// Writes another certificate; what a client tells of it.
    fn replace(&self) -> Json {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
        std::fs::write(self.certificates(), made.cert.pem()).unwrap();
        std::fs::write(self.key(), made.signing_key.serialize_pem()).unwrap();
        let digest = Sha256::digest(made.cert.der());
        let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({ "certificate": text })
    }

    async fn millrace(&self, more: &[&str]) -> Deployment {
        let sets = [
            format!("mysql.tls_certificates={}", self.certificates().display()),
            format!("mysql.tls_key={}", self.key().display()),
        ];
        let sets: Vec<&str> = sets.iter().map(String::as_str).chain(more.iter().copied()).collect();
        Deployment::start_with(0, &sets).await.unwrap()
    }
}

#[tokio::test]
async fn tls_can_be_required() {
    let files = Files::new();
    let certificate = files.replace();
    let millrace = files.millrace(&["mysql.require_tls=true"]).await;
    let (_, refused) = Session::begin(millrace.mysql_port(), None).await;
    assert_eq!(refused["error"], 3159, "{refused}");
    let text = refused["text"].as_str().unwrap();
    assert!(text.contains("--require_secure_transport=ON"), "{text}");
    let file = files.certificates();
    let (mut session, login) = Session::begin(millrace.mysql_port(), Some(&file)).await;
    assert_eq!(login, certificate);
    for (sql, rows) in [
        ("SELECT @@require_secure_transport", json!([["1"]])),
        (
            "SHOW VARIABLES LIKE 'require_secure_transport'",
            json!([["require_secure_transport", "ON"]]),
        ),
    ] {
        assert_eq!(session.ask(sql).await["rows"], rows);
    }
    let set = session.ask("SET GLOBAL require_secure_transport = 0").await;
    assert!(set["error"].is_number(), "{set}");
}

#[tokio::test]
async fn certificates_are_read_again() {
    const RELOAD: &str = "ALTER INSTANCE RELOAD TLS";
    let files = Files::new();
    let first = files.replace();
    let millrace = files.millrace(&[]).await;
    let (port, file) = (millrace.mysql_port(), files.certificates());
    let trusted = files.0.path().join("first.pem");
    std::fs::copy(&file, &trusted).unwrap();
    let (mut old, login) = Session::begin(port, Some(&trusted)).await;
    assert_eq!(login, first);
    // the files alone change nothing
    let second = files.replace();
    assert_eq!(Session::begin(port, Some(&trusted)).await.1, first);
    assert_eq!(old.ask(RELOAD).await, json!({"rows": []}));
    assert_eq!(Session::begin(port, Some(&file)).await.1, second);
    assert!(Session::begin(port, Some(&trusted)).await.1["error"].is_number());
    // the connection that there was goes on with its own
    assert_eq!(old.ask("SELECT 1").await, json!({"rows": [["1"]]}));
    // files that cannot be used are told, and change nothing
    let trusted = files.0.path().join("second.pem");
    std::fs::copy(&file, &trusted).unwrap();
    std::fs::write(&file, "no certificate").unwrap();
    let told = old.ask(RELOAD).await;
    assert!(told["text"].as_str().unwrap().contains("certificates.pem"), "{told}");
    assert_eq!(Session::begin(port, Some(&trusted)).await.1, second);
    // a key that belongs to another certificate
    files.replace();
    std::fs::copy(&trusted, &file).unwrap();
    let told = old.ask(RELOAD).await;
    assert!(told["error"].is_number(), "{told}");
    assert_eq!(Session::begin(port, Some(&trusted)).await.1, second);
}
