//! What servers do that no recording shows: over sockets, with credentials, where they answer nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fluss_scan::messages::{Call, GetTableInfo, Path, ScanKv, ScanKvAnswer, ScanKvBucket};
use fluss_scan::{Bucket, ClientOptions, Error, FlussClient, FlussType, TablePath};
use fluss_sim::cases::{Row, batch, columns, read, rows};
use fluss_sim::network::InProcess;
use fluss_sim::{COORDINATOR, Cluster, Version};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpListener;
use tokio::time::timeout;

fn path() -> TablePath {
    TablePath::new("d", "t")
}

/// A table of one bucket with ten rows.
fn filled(cluster: &Cluster, key: &[&str]) -> Bucket {
    let table_id = cluster.create_table(&path(), columns().key(key)).unwrap();
    let bucket = Bucket { table_id, partition_id: None, bucket: 0 };
    let all: Vec<Row> = (0..10).map(|id| Row::new(id, 1)).collect();
    let all = batch(&all, &cluster.schema(&path()).unwrap()).unwrap();
    let written =
        if key.is_empty() { cluster.append(bucket, &all) } else { cluster.upsert(bucket, &all) };
    assert_eq!(written.unwrap(), 0);
    bucket
}

#[tokio::test]
async fn clients_read_over_sockets() {
    let cluster = Cluster::new(Version::V1_0, 2, 1);
    filled(&cluster, &[]);
    for server in cluster.servers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        cluster.set_address(server, "127.0.0.1", listener.local_addr().unwrap().port());
        let cluster = cluster.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let cluster = cluster.clone();
                tokio::spawn(async move { cluster.serve(stream, server).await });
            }
        });
    }
    let bootstrap = cluster.address(COORDINATOR).unwrap();
    let options = ClientOptions::new(&bootstrap, &BTreeMap::new()).unwrap();
    let client = Arc::new(FlussClient::new(options));
    let table = client.table_info(&path()).await.unwrap();
    let found = read(&client, &table, 2..9, None).await.unwrap();
    let found: Vec<i64> = found.iter().flat_map(|b| rows(&b.rows)).map(|row| row.id).collect();
    assert_eq!(found, (2..9).collect::<Vec<_>>());
}

#[tokio::test]
async fn credentials_are_asked_for() {
    let cluster = Cluster::new(Version::V0_9, 1, 1);
    filled(&cluster, &[]);
    cluster.require("root", "right");
    for (password, is_right) in [(None, false), (Some("wrong"), false), (Some("right"), true)] {
        let mut options = ClientOptions::new("coordinator:9123", &BTreeMap::new()).unwrap();
        options.credentials = password.map(|password| ("root".into(), password.into()));
        let client = FlussClient::over(Arc::new(InProcess(cluster.clone())), options);
        match client.table_info(&path()).await {
            Ok(_) => assert!(is_right, "{password:?}"),
            Err(error) => assert!(!is_right && matches!(error, Error::Denied(_)), "{error:?}"),
        }
    }
}

/// A connection to a server, without a client.
fn connect(cluster: &Cluster, server: i32) -> DuplexStream {
    let (near, far) = tokio::io::duplex(1 << 20);
    let cluster = cluster.clone();
    tokio::spawn(async move { cluster.serve(far, server).await });
    near
}

async fn send<C: Call>(stream: &mut DuplexStream, call: &C, id: i32) {
    let body = call.encode_to_vec();
    stream.write_i32(8 + i32::try_from(body.len()).unwrap()).await.unwrap();
    stream.write_i16(C::API).await.unwrap();
    stream.write_i16(0).await.unwrap();
    stream.write_i32(id).await.unwrap();
    stream.write_all(&body).await.unwrap();
}

/// The id and the body of the next answer.
async fn receive(stream: &mut DuplexStream) -> (i32, Vec<u8>) {
    let length = usize::try_from(stream.read_i32().await.unwrap()).unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), 0);
    let id = stream.read_i32().await.unwrap();
    let mut body = vec![0; length - 5];
    stream.read_exact(&mut body).await.unwrap();
    (id, body)
}

fn open(bucket: Bucket) -> ScanKv {
    let Bucket { table_id, partition_id, bucket } = bucket;
    ScanKv {
        open: Some(ScanKvBucket { table_id, partition_id, bucket }),
        sequence: Some(0),
        batch_bytes: Some(1),
        ..ScanKv::default()
    }
}

#[tokio::test]
async fn calls_that_are_not_listed_are_never_answered() {
    for (version, server) in [(Version::V0_9, 1), (Version::V1_0, COORDINATOR)] {
        let cluster = Cluster::new(version, 1, 1);
        let bucket = filled(&cluster, &["id"]);
        let mut stream = connect(&cluster, server);
        send(&mut stream, &open(bucket), 1).await;
        let path = Path { database: "d".into(), table: "t".into() };
        send(&mut stream, &GetTableInfo { path }, 2).await;
        // the connection stays: the next call is answered, that one is not
        assert_eq!(receive(&mut stream).await.0, 2);
        let more = timeout(Duration::from_millis(50), stream.read_u8()).await;
        assert!(more.is_err(), "{more:?}");
    }
}

#[tokio::test]
async fn scans_of_a_state_are_counted_and_in_order() {
    let cluster = Cluster::new(Version::V1_0, 1, 1);
    let bucket = filled(&cluster, &["id"]);
    let mut stream = connect(&cluster, 1);
    let mut ask = async |call: &ScanKv| {
        send(&mut stream, call, 7).await;
        ScanKvAnswer::decode(&receive(&mut stream).await.1[..]).unwrap()
    };
    let mut opened = vec![];
    for _ in 0..8 {
        let answer = ask(&open(bucket)).await;
        assert_eq!((answer.code, answer.more, answer.log_offset), (None, Some(true), Some(10)));
        opened.push(answer.scanner_id);
    }
    assert_eq!(ask(&open(bucket)).await.code, Some(69));
    let next = |scanner: usize, sequence| ScanKv {
        scanner_id: opened[scanner].clone(),
        sequence: Some(sequence),
        batch_bytes: Some(1),
        ..ScanKv::default()
    };
    // a row at least each time, the offset only the first
    for sequence in 1..10 {
        let answer = ask(&next(0, sequence)).await;
        assert_eq!((answer.code, answer.log_offset), (None, None));
        assert_eq!(answer.more, Some(sequence < 9));
    }
    // one out of order is told so, and is lost
    assert_eq!(ask(&next(1, 2)).await.code, Some(68));
    assert_eq!(ask(&next(1, 1)).await.code, Some(67));
    cluster.expire_scanners();
    assert_eq!(ask(&next(2, 1)).await.code, Some(67));
    // a leader that moves takes its scans along
    let answer = ask(&open(bucket)).await;
    let id = answer.scanner_id;
    cluster.move_leader(bucket, None).unwrap();
    let lost = ScanKv { scanner_id: id, ..next(0, 1) };
    assert_eq!(ask(&lost).await.code, Some(67));
    assert_eq!(ask(&open(bucket)).await.code, Some(12));
}

#[test]
fn columns_are_added_behind() {
    let cluster = Cluster::new(Version::V1_0, 1, 1);
    filled(&cluster, &[]);
    assert_eq!(cluster.add_column(&path(), "extra", FlussType::Int).unwrap(), 2);
    let ids: Vec<i32> =
        cluster.schema(&path()).unwrap().columns.iter().map(|column| column.id).collect();
    assert_eq!(ids, [0, 1, 2, 3]);
}
