//! Regressions of the list in docs/contribute/regressions.md that no other test guards: the wire, and types of partitions.

use std::time::Duration;

use fluss::metadata::DataTypes;
use integration_tests::deployment::query;
use integration_tests::{Deployment, TableSpec, Value, Writer};
use mysql_async::ChangeUserOpts;
use mysql_async::prelude::Queryable;

mod deletion_vectors;
mod empty_split;
mod evolved;
mod late_lake;
mod recreated;
mod refusing;
mod rules;
mod short_of;
mod spoilt;
mod tiered;

const TIERED: Duration = Duration::from_secs(90);

/// What COM_RESET_CONNECTION and COM_CHANGE_USER leave of a session: the one keeps the database, both forget the rest.
#[tokio::test]
async fn reset_and_change_user_forget_the_session() {
    let millrace = Deployment::start(0).await.unwrap();
    let mut connection = millrace.connect().await.unwrap();
    let asked = "SELECT @@time_zone, @a, DATABASE()";
    let fresh = query(&mut connection, asked).await.unwrap();
    let id = query(&mut connection, "SELECT CONNECTION_ID()").await.unwrap();
    for is_reset in [true, false] {
        query(&mut connection, "SET time_zone = '+03:00', @a = 7").await.unwrap();
        let changed = query(&mut connection, asked).await.unwrap();
        assert_eq!(changed[0][..2], ["+03:00", "7"]);
        if is_reset {
            assert!(connection.reset().await.unwrap());
        } else {
            connection.change_user(ChangeUserOpts::default()).await.unwrap();
        }
        assert_eq!(query(&mut connection, asked).await.unwrap(), fresh, "reset: {is_reset}");
        let now = query(&mut connection, "SELECT CONNECTION_ID()").await.unwrap();
        assert_eq!(now, id, "the connection is the same");
    }
    let nobody = ChangeUserOpts::new().with_user(Some("nobody".into()));
    let error = connection.change_user(nobody).await.unwrap_err().to_string();
    assert!(error.contains("1045"), "{error}");
}

/// Statements prepared before COM_RESET_CONNECTION and COM_CHANGE_USER are unknown after it, also when others were prepared since:
/// the number of the one is not that of another.
#[tokio::test]
async fn reset_and_change_user_forget_prepared_statements() {
    let millrace = Deployment::start(0).await.unwrap();
    let mut connection = millrace.connect().await.unwrap();
    for is_reset in [true, false] {
        let before = connection.prep("SELECT 'before', ?").await.unwrap();
        let row: (String, u8) = connection.exec_first(&before, (1,)).await.unwrap().unwrap();
        assert_eq!(row, ("before".into(), 1));
        if is_reset {
            assert!(connection.reset().await.unwrap());
        } else {
            connection.change_user(ChangeUserOpts::default()).await.unwrap();
        }
        assert_unknown(&mut connection, &before).await;
        let after = connection.prep("SELECT 'after', ?").await.unwrap();
        assert_unknown(&mut connection, &before).await;
        let row: (String, u8) = connection.exec_first(&after, (2,)).await.unwrap().unwrap();
        assert_eq!(row, ("after".into(), 2));
    }
}

/// MySQL's error for the number of a statement that it does not know.
async fn assert_unknown(connection: &mut mysql_async::Conn, statement: &mysql_async::Statement) {
    let answer: mysql_async::Result<Option<(String, u8)>> =
        connection.exec_first(statement, (1,)).await;
    match answer {
        Err(mysql_async::Error::Server(error)) => assert_eq!(error.code, 1243, "{error}"),
        answer => panic!("a statement of before: {answer:?}"),
    }
}

/// Statements and answers whose packets end where a frame ends: one byte less, the same, one more.
#[tokio::test]
async fn packets_of_a_whole_frame_are_read_and_written() {
    const FRAME: usize = (1 << 24) - 1;
    let millrace = Deployment::start(0).await.unwrap();
    let mut connection = millrace.connect().await.unwrap();
    let (head, tail) = ("SELECT length('", "')");
    // a byte of the packet is the command
    for packet in [FRAME - 1, FRAME, FRAME + 1] {
        let length = packet - 1 - head.len() - tail.len();
        let sql = format!("{head}{}{tail}", "x".repeat(length));
        let rows = query(&mut connection, &sql).await.unwrap();
        assert_eq!(rows, [[length.to_string()]], "a statement of {packet} bytes");
    }
    // a text of this length has four bytes before it
    for packet in [FRAME - 1, FRAME, FRAME + 1] {
        let length = packet - 4;
        let sql = format!("SELECT repeat('x', {length})");
        let rows = query(&mut connection, &sql).await.unwrap();
        assert_eq!(rows[0][0].len(), length, "a row of {packet} bytes");
    }
}

/// Partitions by an INT and a DATE that begin the key: values of the lake's folders and of Fluss's names are the same partition.
/// Deletes of keys that the lake alone has come with the tail.
#[tokio::test]
async fn partitions_by_number_and_date_are_one_table() {
    let (cluster, millrace) = crate::union_read::millrace().await;
    let spec = TableSpec::new("regressions", "typed")
        .column("n", DataTypes::int())
        .column("day", DataTypes::date())
        .column("id", DataTypes::bigint())
        .column("v", DataTypes::bigint())
        .primary_key(["n", "day", "id"])
        .partitioned_by(["n", "day"])
        .buckets(1)
        .lake(Duration::from_secs(1));
    cluster.create_table(&spec).await.unwrap();
    for n in ["7", "10"] {
        cluster.add_partition(spec.path(), &[("n", n), ("day", "2026-11-24")]).await.unwrap();
    }
    // the days of 2026-11-24 since 1970
    let row =
        |n: i32, id: i64, v: i64| vec![Value::Int(n), Value::Date(20_781), id.into(), v.into()];
    let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
    for id in 0..5 {
        writer.write(&row(7, id, 1)).await.unwrap();
        writer.write(&row(10, id, 1)).await.unwrap();
    }
    writer.flush().await.unwrap();
    cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
    writer.delete(&row(7, 3, 1)).await.unwrap();
    writer.write(&row(7, 4, 2)).await.unwrap();
    writer.write(&row(10, 9, 3)).await.unwrap();
    writer.flush().await.unwrap();
    let table = "fluss.regressions.typed";
    for (sql, expected) in [
        ("SELECT count(*), count(DISTINCT id), sum(v) FROM TABLE WHERE n = 7", "4 4 5"),
        ("SELECT count(*), sum(v) FROM TABLE WHERE day = DATE '2026-11-24'", "10 13"),
        ("SELECT count(*) FROM TABLE WHERE n = 7 AND id = 3", "0"),
        ("SELECT count(*) FROM TABLE WHERE n > 7 AND n < 100", "6"),
        ("SELECT count(*) FROM TABLE WHERE day < DATE '2026-11-24'", "0"),
        ("SELECT sum(v) FROM TABLE", "13"),
    ] {
        let rows = millrace.sql(&sql.replace("TABLE", table)).await.unwrap();
        assert_eq!(rows[0].join(" "), expected, "{sql}");
    }
}
