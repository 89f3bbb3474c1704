//! Processes that have no file to spare, and a disk that is full.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use integration_tests::deployment::{binary, query};
use integration_tests::{Deployment, Rows};
use mysql_async::{Conn, OptsBuilder};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(5);
const READY: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(20);

/// A process that may open no further file while this lives.
struct FilesUsedUp {
    process: u32,
    before: String,
}

impl FilesUsedUp {
    fn of(process: u32) -> Self {
        let before = Command::new("prlimit")
            .args([format!("--pid={process}"), "--nofile".into()])
            .args(["--output=SOFT", "--noheadings"])
            .output()
            .unwrap();
        let before = String::from_utf8(before.stdout).unwrap().trim().to_owned();
        let this = Self { process, before };
        this.limit("3");
        this
    }

    fn limit(&self, files: &str) {
        let arguments = [format!("--pid={}", self.process), format!("--nofile={files}:")];
        assert!(Command::new("prlimit").args(arguments).status().unwrap().success());
    }
}

impl Drop for FilesUsedUp {
    fn drop(&mut self) {
        self.limit(&self.before);
    }
}

async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Waits until a process has failed to accept somebody.
async fn until_refused(millrace: &Deployment, process: &str, told: &str) {
    until(told, SOON, async || millrace.log(process).unwrap().contains(told)).await;
}

/// Without a file to spare nobody new is accepted; who is connected is served; who waited is accepted in the end.
#[tokio::test]
async fn a_process_without_files_to_spare_accepts_again_later() {
    let millrace = Deployment::start(0).await.unwrap();
    let mut connection = millrace.connect().await.unwrap();
    let used_up = FilesUsedUp::of(millrace.frontend_id());
    let (waited, freed) = tokio::join!(millrace.connect(), async {
        until_refused(&millrace, "frontend", "a client could not be accepted").await;
        assert_eq!(query(&mut connection, "SELECT 1").await.unwrap(), [["1"]]);
        drop(used_up);
        Instant::now()
    });
    assert_eq!(query(&mut waited.unwrap(), "SELECT 2").await.unwrap(), [["2"]]);
    assert!(freed.elapsed() < SOON, "accepted after {:?}", freed.elapsed());
    assert_eq!(millrace.sql("SELECT 3").await.unwrap(), [["3"]]);
}

/// The same of the port between processes: the accepting goes on, and does not take a whole processor to do nothing.
#[tokio::test]
async fn a_backend_without_files_to_spare_accepts_again_later() {
    let millrace = Deployment::start(1).await.unwrap();
    let (process, address) = (millrace.backend_id(0), millrace.backend_address(0));
    let used_up = FilesUsedUp::of(process);
    // a client of its own has no connection yet
    let backends = proto::client::Backends::default();
    let (waited, freed) = tokio::join!(
        async {
            let started = Instant::now();
            loop {
                match backends.status(&address).await {
                    Ok(status) => break status,
                    Err(error) => assert!(started.elapsed() < 2 * SOON, "{error:?}"),
                }
                tokio::time::sleep(INTERVAL).await;
            }
        },
        async {
            until_refused(&millrace, "backend-0", "another process could not be accepted").await;
            let tries = millrace.log("backend-0").unwrap().matches("could not be accepted").count();
            assert!(tries < 100, "{tries} tries without a pause");
            drop(used_up);
            Instant::now()
        }
    );
    assert_eq!(waited.queries, 0);
    assert!(freed.elapsed() < SOON, "accepted after {:?}", freed.elapsed());
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A file system of so many bytes in memory, mounted where this process does not see it; it lives as long as this.
struct SmallDisk {
    folder: TempDir,
    holder: Child,
    _stdin: ChildStdin,
}

impl SmallDisk {
    /// # Panics
    /// Where a file system cannot be mounted in a namespace of its own.
    fn mount(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // as root in one namespace; as anybody else in another one where one is root
        let flags: &[&str] = if is_root() { &["-m"] } else { &["-r", "-m"] };
        let script = r#"mount -t tmpfs -o size="$1" small "$0" && echo mounted && exec cat"#;
        let mut holder = Command::new("unshare")
            .args(flags)
            .args(["sh", "-c", script])
            .arg(folder.path())
            .arg(size)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = holder.stdin.take().unwrap();
        let mut told = String::new();
        let mut stdout = std::io::BufReader::new(holder.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut told).unwrap();
        assert_eq!(told.trim(), "mounted", "this test must be let to mount a small file system");
        Self { folder, holder, _stdin: stdin }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command that sees the file system.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.holder.id().to_string(), "-m"]);
        if !is_root() {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }

    fn resize(&self, size: &str) {
        let mut command = self.command("mount");
        command.args(["-o", &format!("remount,size={size}")]).arg(self.path());
        assert!(command.status().unwrap().success(), "not made {size} big");
    }

    fn available(&self) -> u64 {
        let output =
            self.command("df").args(["-k", "--output=avail"]).arg(self.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().last().unwrap().trim().parse().unwrap()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // nothing can be done about a failure here
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A process whose data is on the small file system. Killed in the end.
struct OnSmallDisk {
    process: Child,
    port: u16,
}

impl Drop for OnSmallDisk {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl OnSmallDisk {
    async fn start(disk: &SmallDisk) -> Self {
        let mut command = disk.command(binary().unwrap());
        command.arg("standalone").stdout(Stdio::piped()).stderr(Stdio::null());
        for set in [
            format!("data_dir={}", disk.path().join("data").display()),
            "mysql.listen=127.0.0.1:0".into(),
            "rpc.listen=127.0.0.1:0".into(),
            "admin.listen=127.0.0.1:0".into(),
        ] {
            command.args(["--set", &set]);
        }
        let mut process = command.spawn().unwrap();
        let mut banner = String::new();
        let mut stdout = std::io::BufReader::new(process.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut banner).unwrap();
        let (_, rest) = banner.split_once("127.0.0.1:").unwrap_or_else(|| panic!("{banner}"));
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let this = Self { process, port: port.parse().unwrap() };
        until("the server answers", READY, async || this.sql("SELECT 1").await.is_ok()).await;
        this
    }

    async fn sql(&self, sql: &str) -> mysql_async::Result<Rows> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some("root"))
            .prefer_socket(false);
        query(&mut Conn::new(options).await?, sql).await
    }

    async fn create(&self, name: &str) -> mysql_async::Result<Rows> {
        let comment = "x".repeat(1000);
        let sql = format!(
            "CREATE EXTERNAL CATALOG {name} COMMENT '{comment}' \
             PROPERTIES ('type'='fluss','bootstrap.servers'='nowhere:1')"
        );
        self.sql(&sql).await
    }

    async fn catalogs(&self) -> Vec<String> {
        let rows = self.sql("SHOW CATALOGS").await.unwrap();
        let mut names: Vec<String> = rows.into_iter().map(|mut row| row.swap_remove(0)).collect();
        names.retain(|name| name.starts_with("on_disk"));
        names
    }
}

/// A full disk is an error by name; catalogs are listed and queries answered meanwhile; none that was acknowledged is lost, neither
/// then nor by a kill at that moment, and there is room for more once the disk has.
#[tokio::test]
async fn a_full_disk_loses_no_catalog() {
    let disk = SmallDisk::mount("400k");
    let server = OnSmallDisk::start(&disk).await;
    let mut kept = vec![];
    let error = loop {
        let name = format!("on_disk_{:03}", kept.len());
        match server.create(&name).await {
            Ok(_) => kept.push(name),
            Err(mysql_async::Error::Server(error)) => break error,
            Err(error) => panic!("{error}"),
        }
        assert!(kept.len() < 1000, "the disk is never full: {} KiB are left", disk.available());
    };
    assert!(error.message.contains("full") || error.message.contains("disk I/O error"), "{error}");
    assert!(disk.available() < 16, "{} KiB are left: {error}", disk.available());
    assert!(kept.len() > 3, "{kept:?}");
    assert_eq!(server.catalogs().await, kept);
    assert_eq!(server.sql("SELECT 1").await.unwrap(), [["1"]]);
    assert!(server.create("on_disk_late").await.is_err(), "the disk is still full");
    drop(server);

    disk.resize("4m");
    let server = OnSmallDisk::start(&disk).await;
    assert_eq!(server.catalogs().await, kept, "after a kill");
    kept.push("on_disk_zlast".into());
    server.create("on_disk_zlast").await.unwrap();
    assert_eq!(server.catalogs().await, kept);
}
